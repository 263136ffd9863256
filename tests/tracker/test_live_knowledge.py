"""What a tracker's other users think of items, in the prompts of its predictor."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from tracker_cases import COVES, START, rows_of, tracker

sys.path.append(str(Path(__file__).resolve().parents[1] / "learning"))
from export_cases import write_policy

from deeper.commands.execution import engines
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.errors import UserError
from deeper.persona.item_knowledge.standing_words import ITEM_KNOWLEDGE, words_hash
from deeper.persona.prompts.templates import load_prompts
from deeper.tracker import PersonaTracker

WORDS = "their usual"


def rated(best: str, count: int = 10, first: int = 0) -> list[dict[str, Any]]:
    """Events of which one is far better than the others; no two users share another title."""
    return [
        {"title": best if n == first else f"{best} {first} {n}", "rating": 5 if n == first else 2,
         "time": START.replace(minute=n % 60, day=1 + n // 60)}
        for n in range(first, first + count)
    ]  # fmt: skip


def shown(engine: ScriptedEngine) -> list[str]:
    """The lines of items that the predictor was last shown."""
    [*_, last] = [asked for asked in engine.asked if hasattr(asked, "continuations")]
    return list(last.continuations)


def fans(title: str, count: int) -> dict[str, list[dict[str, Any]]]:
    return {f"fan {n}": [{**event, "title": event["title"].replace("#", str(n))} for event in rated(title)]
            for n in range(count)}  # fmt: skip


def full(count: int = 8, **settings: Any) -> tuple[Any, ScriptedEngine]:
    engine = ScriptedEngine()
    live = tracker(engine, item_knowledge="population", **settings)
    live.observe_all(rows_of(fans("Blue cove", count)))
    return live, engine


def test_others_count_and_the_own_ratings_do_not() -> None:
    live, engine = full(1)
    live.predict("fan 0", ["Blue cove", "Never seen"])
    assert shown(engine) == ['"Blue cove"', '"Never seen"']
    live.predict("new", ["Blue cove", "Never seen"])
    assert shown(engine)[0] == '"Blue cove"; a few others rate it far above their usual'
    live.observe_all(rows_of({f"more {n}": rated("Blue cove") for n in range(9)}))
    live.predict("fan 0", ["Blue cove"])
    assert shown(engine) == ['"Blue cove"; others rate it far above their usual']


def test_windows_are_predicted_with_it_and_none_says_nothing() -> None:
    live, engine = full()
    live.observe("new", rated("Blue cove"))
    live.observe("new", rated("Blue cove", first=10))
    assert '"Blue cove"; others rate it far above their usual' in shown(engine)
    plain = ScriptedEngine()
    other = tracker(plain)
    other.observe_all(rows_of(fans("Blue cove", 8)))
    other.observe("new", [*rated("Blue cove"), *rated("Blue cove", first=10)])
    assert '"Blue cove"' in shown(plain) and WORDS not in repr(plain.asked)
    assert live.history("new")[0].text == other.history("new")[0].text, "the policy is not told"


def test_events_that_wait_for_their_window_count() -> None:
    engine = ScriptedEngine()
    live = tracker(engine, item_knowledge="population")
    live.observe("ann", rated("Blue cove", 3))
    live.predict("bob", ["Blue cove"])
    assert shown(engine) == ['"Blue cove"; a few others rate it above their usual']


def test_what_is_forgotten_is_known_no_longer() -> None:
    live, engine = full(2)
    live.predict("new", ["Blue cove"])
    assert WORDS in shown(engine)[0]
    knowledge = live._models.knowledge
    for user in list(live.users):
        live.forget(user)
        assert knowledge._standings is None and not knowledge._seen
    live.predict("new", ["Blue cove"])
    assert shown(engine) == ['"Blue cove"']


def test_it_is_computed_again_only_after_new_events(monkeypatch: pytest.MonkeyPatch) -> None:
    from deeper.tracker import live_knowledge

    computed: list[int] = []
    make = live_knowledge.Standings
    monkeypatch.setattr(live_knowledge, "Standings", lambda *args: computed.append(1) or make(*args))
    live, _ = full(2)
    live.predict_all({"fan 0": ["Blue cove"], "fan 1": ["Blue cove"], "new": ["Blue cove"]})
    live.predict("new", ["Blue cove"])
    assert len(computed) == 1
    live.observe("fan 0", rated("Blue cove", 1, first=10))
    live.predict("new", ["Blue cove"])
    assert len(computed) == 2


def test_a_saved_tracker_keeps_it(tmp_path: Path) -> None:
    live, _ = full()
    live.save(tmp_path / "saved")
    live.close()
    engine = ScriptedEngine()
    with PersonaTracker.load(tmp_path / "saved", policy_engine=engine, predictor_engine=engine) as loaded:
        loaded.predict("new", ["Blue cove"])
    assert shown(engine) == ['"Blue cove"; others rate it far above their usual']


def test_a_calibration_belongs_to_what_the_predictor_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    live, engine = full()
    live.observe_all(rows_of({f"fan {n}": rated(f"Cove of {n}", first=10) for n in range(8)}))
    live.calibrate()
    live.save(tmp_path / "saved")
    live.close()
    engines: dict[str, Any] = {"policy_engine": engine, "predictor_engine": engine}
    with PersonaTracker.load(tmp_path / "saved", **engines) as same:
        assert same.calibration == live.calibration
    with (
        caplog.at_level(logging.WARNING),
        PersonaTracker.load(tmp_path / "saved", **engines, item_knowledge="none") as other,
    ):
        assert other.calibration.pooled is None
    assert "for another predictor" in caplog.text


def test_the_calibration_of_a_run_with_other_knowledge_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    engine = ScriptedEngine()
    live = tracker(engine)
    config = {"predictor_engine": engine.fingerprint, "predictor_adapter": "", "readout": "auto"}
    manifest = {
        "engines": {"predictor": engine.fingerprint},
        "config": {**config, "item_knowledge": "population"},
        "prompt_version": live._models.loop.writer.prompts.version,
    }
    (run / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    (run / "calibration.json").write_text('{"domains": {}, "pooled": null}', "utf-8")
    with pytest.raises(UserError, match="item_knowledge = 'population' \\(here 'none'\\)"):
        PersonaTracker(COVES, policy_engine=engine, predictor_engine=engine, calibration=run)


@pytest.mark.parametrize(("has_learnt", "given"), [(False, "population"), (True, "none"), (True, "population")])
def test_a_note_tells_of_an_adapter_that_has_learnt_the_other_knowledge(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has_learnt: bool, given: str
) -> None:
    monkeypatch.setattr(engines, "make_engine", lambda *_: ScriptedEngine())
    templates = load_prompts().hashes_for("predictor") | ({ITEM_KNOWLEDGE: words_hash()} if has_learnt else {})
    folder = str(write_policy(tmp_path / "predictor", kind="predictor", templates=templates))
    with caplog.at_level(logging.WARNING):
        PersonaTracker(COVES, predictor_adapter=folder, policy_engine=ScriptedEngine(), item_knowledge=given)
    said = [record.getMessage() for record in caplog.records if "item knowledge" in record.getMessage()]
    expected = {
        (False, "population"): [f"note: item knowledge: the adapter {folder} was trained without it, "
                                "and may use it badly"],
        (True, "none"): [f"note: item knowledge: none, but the adapter {folder} was trained with it; "
                         "--item-knowledge population gives it"],
        (True, "population"): [],
    }  # fmt: skip
    assert said == expected[has_learnt, given]
