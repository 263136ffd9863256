"""Saving and loading: everything comes back, one process at a time, and nothing is half there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tracker_cases import COVES, events, rows_of, tracker

sys.path.append(str(Path(__file__).resolve().parents[1] / "learning"))
from export_cases import write_policy

from deeper.commands.execution import engines
from deeper.engine.scripted.engine import GenerateCall, ScriptedEngine, ScriptedFailure
from deeper.errors import UserError
from deeper.persona.prompts.templates import load_prompts
from deeper.storage import run_folder
from deeper.storage.atomic import write_atomically
from deeper.tracker import PersonaTracker

ENGINES = {"policy_engine": "scripted", "predictor_engine": "scripted"}


def filled(**settings: Any) -> PersonaTracker:
    live = PersonaTracker(COVES, **ENGINES, **settings)
    live.observe_all(rows_of({"ann": events(24), "bob": events(13, user="b"), 'x/../"é': events(4, user="x")}))
    live.correct("bob", "I like the sea.")
    return live


def state(live: PersonaTracker) -> Any:
    return live._users, live._models.calibration, live._settings, live._models.domain


def tables(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {path.stem: pq.read_table(path).to_pylist() for path in folder.glob("*/*.parquet")}


def test_categories_come_back(tmp_path: Path) -> None:
    with tracker() as live:
        live.observe("ann", [{**event, "categories": ["Bay", "Rock"][: n % 3]} for n, event in enumerate(events(12))])
        before = live.behaviour("ann")
        live.save(tmp_path / "kept")
    with PersonaTracker.load(tmp_path / "kept", **ENGINES) as again:
        assert again.behaviour("ann") == before
        assert [event.categories for event in before[:3]] == [(), ("Bay",), ("Bay", "Rock")]


def test_a_tracker_that_was_saved_before_there_were_categories_is_read(tmp_path: Path) -> None:
    with filled() as live:
        before = live.behaviour("ann")
        live.save(tmp_path / "kept")
    state_file = tmp_path / "kept" / "tracker.json"
    state_file.write_text(json.dumps({**json.loads(state_file.read_text("utf-8")), "layout": 1}), "utf-8")
    [path] = (tmp_path / "kept").glob("*/behaviour.parquet")
    pq.write_table(pq.read_table(path).drop_columns(["categories"]), path)
    with PersonaTracker.load(tmp_path / "kept") as again:
        assert again.behaviour("ann") == before
        again.save()
    assert json.loads(state_file.read_text("utf-8"))["layout"] == 2
    with PersonaTracker.load(tmp_path / "kept") as third:
        assert third.behaviour("ann") == before


def test_everything_comes_back(tmp_path: Path) -> None:
    live = filled(seed=5, max_persona_tokens=30)
    live.calibrate()
    live.save(tmp_path / "kept")
    before = state(live)
    live.close()
    with PersonaTracker.load(tmp_path / "kept") as again:
        assert state(again) == before
        assert again.history("ann") == live.history("ann")
        assert again.users == live.users
        assert again.predict("ann", ["Cove 1"]).calibrated == "domain"
        for one in (live, again):
            one.observe("ann", events(6, first=24))
        assert [v.text for v in again.history("ann")] == [v.text for v in live.history("ann")]
        again.save()
    with PersonaTracker.load(tmp_path / "kept") as third:
        assert len(third.history("ann")) == 3
    assert {name for name, _ in tables(tmp_path / "kept").items()} == {
        "behaviour",
        "versions",
        "predictions",
        "waiting",
    }


@pytest.mark.parametrize("evidence", ["none", "kinds"])
def test_the_evidence_comes_back_and_stands_in_the_prompts(tmp_path: Path, evidence: str) -> None:
    with filled(evidence=evidence) as live:
        live.save(tmp_path / "kept")
    engine = ScriptedEngine()
    with PersonaTracker.load(tmp_path / "kept", policy_engine=engine, predictor_engine=engine) as again:
        again.observe("ann", events(6, first=24))
        assert again._settings.evidence == evidence
    [asked] = [call.prompt.user for call in engine.asked if isinstance(call, GenerateCall)]
    assert ("this person is known for a while" in asked) == (evidence == "kinds")


def test_a_tracker_that_was_saved_before_there_was_evidence_has_none_and_may_be_given_some(tmp_path: Path) -> None:
    with filled() as live:
        live.save(tmp_path / "kept")
    config = tmp_path / "kept" / "config.toml"
    lines = config.read_text("utf-8").splitlines(keepends=True)
    config.write_text("".join(line for line in lines if not line.startswith("evidence = ")), "utf-8")
    with PersonaTracker.load(tmp_path / "kept") as again:
        assert again._settings.evidence == "none"
    with PersonaTracker.load(tmp_path / "kept", evidence="kinds") as given:
        assert given._settings.evidence == given._models.loop.writer.prompts.evidence == "kinds"
        given.save()
    with PersonaTracker.load(tmp_path / "kept") as kept:
        assert kept._settings.evidence == "kinds"


def test_a_saved_tracker_whose_policy_learnt_other_evidence_says_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of an earlier version, whose adapter of the package is another by now."""
    monkeypatch.setattr(engines, "make_engine", lambda *_: ScriptedEngine())
    adapter = {name: tmp_path / name for name in ("none", "kinds")}
    for name, folder in adapter.items():
        write_policy(folder, templates=load_prompts("", name).hashes_for("policy"))
    with PersonaTracker(COVES, policy_adapter=str(adapter["none"]), predictor_engine="scripted") as live:
        live.save(tmp_path / "kept")
    shutil.rmtree(adapter["none"])
    adapter["kinds"].rename(adapter["none"])
    with pytest.raises(UserError, match="trained with evidence kinds, and evidence is none here") as caught:
        PersonaTracker.load(tmp_path / "kept")
    assert "evidence='kinds'" in caught.value.do
    PersonaTracker.load(tmp_path / "kept", evidence="kinds").close()


def test_an_empty_tracker_comes_back(tmp_path: Path) -> None:
    live = PersonaTracker(COVES, **ENGINES)
    live.save(tmp_path / "kept")
    live.close()
    with PersonaTracker.load(tmp_path / "kept") as again:
        assert again.users == [] and again.observe("ann", events(10)).versions


def test_what_waits_is_saved_with_its_attempts(tmp_path: Path) -> None:
    def reply(prompt: Any, sample: int) -> str:
        raise ScriptedFailure("no power")

    live = tracker(ScriptedEngine(reply=reply))
    live.observe("ann", events(15))
    live.save(tmp_path / "kept")
    live.close()
    with PersonaTracker.load(tmp_path / "kept", policy_engine="scripted", predictor_engine="scripted") as again:
        assert again.waiting() == {"ann": "no power"} and again._users["ann"].attempts == 1
        assert len(again.behaviour("ann")) == 15
        assert len(again.update()["ann"].versions) == 1 and again.waiting() == {}


def test_who_is_forgotten_is_in_no_file(tmp_path: Path) -> None:
    live = filled()
    live.save(tmp_path / "kept")
    live.forget("ann")
    assert live.users == ["bob", 'x/../"é'] and live.persona("ann") is None
    found = tables(tmp_path / "kept")
    assert {row["user"] for rows in found.values() for row in rows} == {"bob", 'x/../"é'}
    assert not any(row["title"] == "Cove 3" for row in found["behaviour"])
    assert len([path for path in (tmp_path / "kept").iterdir() if path.is_dir()]) == 1
    live.close()
    with PersonaTracker.load(tmp_path / "kept") as again:
        assert again.observe("ann", events(10)).versions[0].number == 0, "a stranger again"


def test_another_process_is_refused_until_the_folder_is_closed(tmp_path: Path) -> None:
    live = filled()
    live.save(tmp_path / "kept")
    program = "import sys; from deeper import PersonaTracker; PersonaTracker.load(sys.argv[1])"
    command = [sys.executable, "-c", program, str(tmp_path / "kept")]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode and "UserError" in refused.stderr
    assert "another process is running in this folder" in refused.stderr
    live.close()
    PersonaTracker.load(tmp_path / "kept").close()


def test_a_tracker_never_overwrites_another(tmp_path: Path) -> None:
    live = filled()
    live.save(tmp_path / "kept")
    live.close()
    with pytest.raises(UserError, match="holds a tracker already"):
        PersonaTracker(COVES, **ENGINES).save(tmp_path / "kept")
    with pytest.raises(UserError, match="other settings: seed = 9"):
        PersonaTracker(COVES, seed=9, **ENGINES).save(tmp_path / "kept")
    (tmp_path / "thesis.txt").write_text("precious", "utf-8")
    with pytest.raises(UserError, match="not empty and holds no run"):
        live.save(tmp_path)
    PersonaTracker.load(tmp_path / "kept").close()


def test_saving_elsewhere_moves_the_tracker_there(tmp_path: Path) -> None:
    live = filled()
    with pytest.raises(UserError, match="has no folder yet"):
        live.save()
    live.save(tmp_path / "one")
    live.save(tmp_path / "two")
    PersonaTracker.load(tmp_path / "one").close()
    with pytest.raises(UserError, match="another process"):
        PersonaTracker.load(tmp_path / "two")


def test_a_save_that_is_killed_at_any_write_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = filled()
    live.save(tmp_path / "kept")
    before = state(live)
    live.close()
    writes = 0
    for at in range(20):
        again = PersonaTracker.load(tmp_path / "kept")
        assert state(again) == before
        again.observe("ann", events(20, first=24))
        again._users.pop("bob")
        count = 0

        def killed(path: Path, content: bytes, at: int = at) -> None:
            nonlocal count
            count += 1
            if count > at:
                raise KeyboardInterrupt
            write_atomically(path, content)

        with monkeypatch.context() as patch:
            patch.setattr(run_folder, "write_atomically", killed)
            try:
                again.save()
            except KeyboardInterrupt:
                writes += 1
                again.close()
                continue
        break
    assert writes == 6, "four tables, the settings and the state"
    again.close()
    with PersonaTracker.load(tmp_path / "kept") as last:
        assert last.users == ["ann", 'x/../"é'] and len(last.history("ann")) == 4


def test_a_full_disk_is_said_and_the_tracker_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = filled()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="cannot be written"):
            live.save(tmp_path / "kept")
    live.save(tmp_path / "other")
    assert live.observe("ann", events(6, first=24)).versions


@pytest.mark.parametrize("damage", ["tracker.json", "config.toml", "versions.parquet", "layout", "columns"])
def test_a_damaged_file_is_named_and_the_folder_let_go(tmp_path: Path, damage: str) -> None:
    live = filled()
    live.save(tmp_path / "kept")
    live.close()
    folder = tmp_path / "kept"
    [generation] = [path for path in folder.iterdir() if path.is_dir()]
    state = json.loads((folder / "tracker.json").read_text("utf-8"))
    if damage == "layout":
        (folder / "tracker.json").write_text(json.dumps({**state, "layout": 9}), "utf-8")
    elif damage == "columns":
        pq.write_table(
            pq.read_table(generation / "behaviour.parquet").drop(["title"]), generation / "behaviour.parquet"
        )
    else:
        path = generation / damage if damage.endswith("parquet") else folder / damage
        path.write_bytes(b"\x00 broken")
    said = {"layout": "layout 9", "columns": "behaviour.parquet", "config.toml": "config.toml"}
    for _ in range(2):
        with pytest.raises(UserError) as caught:
            PersonaTracker.load(folder)
        assert said.get(damage, damage) in str(caught.value) and caught.value.do


def test_what_is_no_tracker_is_said(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UserError, match="no saved tracker"):
            PersonaTracker.load(folder)
    assert not (tmp_path / "nowhere").exists()


def test_engines_that_were_objects_are_given_again(tmp_path: Path) -> None:
    live = tracker(ScriptedEngine(reply=lambda prompt, sample: "Kind to coves."))
    live.observe("ann", events(10))
    live.save(tmp_path / "kept")
    live.close()
    with pytest.raises(UserError, match="policy_engine: the saved engine was an object"):
        PersonaTracker.load(tmp_path / "kept", predictor_engine="scripted")
    with PersonaTracker.load(tmp_path / "kept", **ENGINES) as again:
        assert again.persona("ann") == "Kind to coves."
        again.save()
    with PersonaTracker.load(tmp_path / "kept", seed=8) as again:
        assert again._settings.seed == 8


def test_a_calibration_is_left_out_with_a_warning_where_the_predictor_is_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    live = filled()
    live.calibrate()
    live.save(tmp_path / "kept")
    live.close()
    with PersonaTracker.load(tmp_path / "kept", policy_engine=ScriptedEngine()) as again:
        assert again.predict("ann", ["Cove 1"]).calibrated == "domain"
    assert "calibrate()" not in caplog.text
    with PersonaTracker.load(tmp_path / "kept", readout="structured") as again:
        assert again.predict("ann", ["Cove 1"]).calibrated == "off"
    assert "calibrate()" in caplog.text
