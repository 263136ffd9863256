"""A whole run with a search of directions and with history, and what it leaves in its folder."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import search_curve
from deeper.behaviour.load import load_windows
from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.behaviour.splits import part, user_hash
from deeper.commands.evaluate import evaluate as pipeline
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.evaluation.methods import HISTORY_ONLY, UPDATERS
from deeper.persona.search import SEARCH
from deeper.report import print_results
from in_process import run_main

METHODS = ("refine", "hierarchical_merge", "frozen", "no_persona", "user_median")
USERS, EVAL, ROUNDS, N = 8, 3, 2, 3


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    write_planted(plant_users(USERS, ROUNDS + 2, seed=4), folder / "data")
    return folder


def start(base: Path, name: str, engine: ScriptedEngine, **values: Any) -> tuple[Path, str]:
    """Run; the folder and what was shown as progress."""
    # A calibration would find out that the scripted predictor knows nothing, and make all of its predictions equal.
    fixed = {"data": str(base / "data"), "rounds": ROUNDS, "methods": METHODS, "calibration": "off"}
    settings = Settings(**fixed | values)
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_choice, "make_engine", lambda *_: engine)
        pipeline.evaluate(settings, base / name, Console(file=shown))
    return base / name, shown.getvalue()


@pytest.fixture(scope="module")
def run(base: Path) -> tuple[Path, str]:
    return start(base, "run", ScriptedEngine(), search_n=N, prediction="history")


def results(folder: Path) -> Any:
    return json.loads((folder / "results.json").read_text("utf-8"))


def test_every_update_has_its_candidates_and_its_persona(run: tuple[Path, str]) -> None:
    personas = pq.read_table(run[0] / "personas.parquet").to_pylist()
    search = pq.read_table(run[0] / "search.parquet")
    assert search.schema == SEARCH
    written = [p for p in personas if p["method"] in UPDATERS and p["stage"] == "final"]
    finals = {(p["user"], p["method"], p["k"]): p for p in written}
    assert len(finals) == len(written) == EVAL * 2 * ROUNDS
    found: dict[Any, list[Any]] = {}
    for row in search.to_pylist():
        found.setdefault((row["user"], row["method"], row["k"]), []).append(row)
    assert set(found) == set(finals)
    by_id = {p["id"]: p for p in personas}
    kept = 0
    for key, rows in found.items():
        assert [row["candidate"] for row in rows] == list(range(N))
        chosen = [row for row in rows if row["chosen"]]
        if chosen:
            assert finals[key]["id"] == chosen[0]["id"] and chosen[0]["gain"] == max(row["gain"] for row in rows) > 0
        else:
            assert finals[key]["text"] == by_id[finals[key]["parent"]]["text"]
            kept += 1
    assert 0 < kept < len(found)


def test_errors_say_what_was_searched_and_how_it_was_predicted(run: tuple[Path, str]) -> None:
    errors = pq.read_table(run[0] / "errors.parquet").to_pylist()
    for row in errors:
        assert row["search_n"] == (N if row["method"] in UPDATERS and row["round"] > 0 else 0)
    of = {
        kind: {row["method"] for row in errors if row["prediction"] == kind} for kind in ("persona", "history", "none")
    }
    models = set(METHODS) - {"user_median"}
    assert of == {"persona": models, "history": models | {HISTORY_ONLY}, "none": {"user_median"}}
    assert {row["role"] for row in errors if row["prediction"] == "history"} == {"future"}
    held_out = [row["prediction"] for row in errors if row["role"] == "future" and row["method"] == "refine"]
    assert held_out.count("persona") == held_out.count("history") == EVAL * (ROUNDS + 1)


def test_results_hold_the_fit_and_the_differences(run: tuple[Path, str]) -> None:
    found = results(run[0])
    fits = found["history"]["planted"]
    assert set(fits) == {"with_persona", HISTORY_ONLY}
    for fit in fits.values():
        assert fit["fitted_on"] == "domain"
        assert fit["ratings"] == (USERS - EVAL) * (ROUNDS + 1) * 10
    assert fits[HISTORY_ONLY]["persona"] == 0
    pairs = {(e["method"], e["against"]) for e in found["paired"] if e["prediction"] == "history"}
    assert ("refine", HISTORY_ONLY) in pairs and ("refine", "user_median") in pairs
    assert {"candidates-1", "judge-1", "candidates-2", "judge-2"} <= set(found["cost"]["stages"])
    assert HISTORY_ONLY not in found["text"] and HISTORY_ONLY not in found["leaks"]
    screen = io.StringIO()
    print_results(found, Console(file=screen, width=100))
    assert "HELD OUT, WITH HISTORY" in screen.getvalue() and "History in planted:" in screen.getvalue()


def test_history_is_fitted_on_personas_that_are_as_fresh_as_those_that_are_judged(run: tuple[Path, str]) -> None:
    def rows(stage: str) -> list[dict[str, Any]]:
        return [row for part in sorted((run[0] / stage).glob("*.parquet")) for row in pq.read_table(part).to_pylist()]

    judged = {row["user"] for row in pq.read_table(run[0] / "personas.parquet").to_pylist()}
    for t in range(1, ROUNDS + 1):
        written = {row["id"]: row for row in rows(f"fit-update-{t}")}
        assert {(row["method"], row["k"]) for row in written.values()} == {("refine", t)}
        read = rows(f"fit-predict-{t}")
        assert {row["persona_id"] for row in read} == written.keys() and {row["k"] for row in read} == {t + 1}
        users = {row["user"] for row in read}
        assert len(users) == USERS - EVAL and not users & judged
    assert {row["k"] for row in rows("predict-0") if row["user"] not in judged} == {1}


def test_without_an_updater_history_is_fitted_on_the_first_personas(base: Path) -> None:
    folder, _ = start(base, "frozen", ScriptedEngine(), methods=("frozen",), prediction="history")
    assert not list(folder.glob("fit-*"))
    assert results(folder)["history"]["planted"]["with_persona"]["ratings"] == (USERS - EVAL) * (ROUNDS + 1) * 10


def test_history_needs_no_persona_that_has_no_next_window(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shorter(*args: Any) -> Any:
        loaded = load_windows(*args)
        kept = (pc.field("split") == "eval") | (pc.field("k") <= ROUNDS)
        return replace(loaded, windows=loaded.windows.filter(kept))

    monkeypatch.setattr("deeper.commands.evaluate.plan.load_windows", shorter)
    folder, _ = start(base, "shorter", ScriptedEngine(), prediction="history", roles=("future", "current"))
    assert (folder / "fit-update-1").is_dir() and (folder / f"update-{ROUNDS}").is_dir()
    assert not (folder / f"fit-update-{ROUNDS}").exists()


def test_the_stages_are_counted_and_none_is_run_twice(base: Path, run: tuple[Path, str]) -> None:
    folder, shown = run
    stages = ["initialise", "predict-0", *(f"fit-{stage}-{t}" for t in (1, 2) for stage in ("update", "predict"))]
    stages += ["predict-controls"]
    stages += [f"{stage}-{t}" for t in (1, 2) for stage in ("candidates", "judge", "predict")]
    for number, stage in enumerate(stages, 1):
        assert f"[{number}/{len(stages)}] {stage}:" in shown
    before = {name: (folder / name).read_bytes() for name in ("errors.parquet", "history.parquet", "search.parquet")}
    again = ScriptedEngine()
    start(base, "run", again, search_n=N, prediction="history")
    assert again.asked == []
    assert before == {name: (folder / name).read_bytes() for name in before}


def test_neither_changes_what_it_does_not_concern(base: Path, run: tuple[Path, str]) -> None:
    plain, _ = start(base, "plain", ScriptedEngine())
    assert not (plain / "search.parquet").exists() and not (plain / "history.parquet").exists()
    assert results(plain)["history"] == {}
    unsearched = (pc.field("prediction") != "history") & pc.is_in(
        pc.field("method"), pa.array(["frozen", "no_persona", "user_median"])
    )
    one, other = (pq.read_table(folder / "errors.parquet").filter(unsearched) for folder in (plain, run[0]))
    assert one.num_rows > 0 and one == other


def test_without_train_users_history_is_off_and_says_so(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def only_eval(*args: Any) -> Any:
        loaded = load_windows(*args)
        return replace(loaded, windows=loaded.windows.filter(pc.field("split") == "eval"))

    monkeypatch.setattr("deeper.commands.evaluate.plan.load_windows", only_eval)
    folder, shown = start(base, "untrained", ScriptedEngine(), prediction="history")
    assert "persona only, since there is no train user's prediction to fit the history on" in " ".join(shown.split())
    assert f"[{3 + 2 * ROUNDS}/{3 + 2 * ROUNDS}] predict-{ROUNDS}:" in shown
    assert {e["prediction"] for e in results(folder)["errors"]} == {"persona", "none"}


def test_a_predictor_of_all_train_users_is_calibrated_on_the_others_that_are_chosen_on(tmp_path: Path) -> None:
    write_planted(plant_users(40, ROUNDS + 2, seed=4), tmp_path / "data")
    rows = load_windows(str(tmp_path / "data")).windows.to_pylist()
    learnt = {(r["domain"], r["user"]) for r in rows if r["split"] == "train"}
    hashes = frozenset(user_hash(*key) for key in learnt if part(*key) != "validation")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deeper.commands.evaluate.plan._trained_on", lambda engine, adapter: hashes)
        folder, shown = start(tmp_path, "run", ScriptedEngine(), split="validation", calibration="on")
    assert "each user's is fitted on the other users that are judged" in " ".join(shown.split())
    found = pq.read_table(folder / "errors.parquet").filter(pc.field("method") == "frozen")
    assert set(found["calibrated"].to_pylist()) == {"others"}
    assert set(found["user"].to_pylist()) == {user for d, user in learnt if part(d, user) == "validation"} != set()


def test_the_curve_is_read_from_run_folders(base: Path, run: tuple[Path, str]) -> None:
    plain = base / "plain"
    if not plain.exists():
        start(base, "plain", ScriptedEngine())
    outcome = run_main(search_curve.main, run[0], plain)
    assert outcome.returncode == 0
    lines = [line.split() for line in outcome.stdout.splitlines()[1:]]
    assert [(line[0], line[1]) for line in lines] == [
        ("refine", "0"),
        ("refine", str(N)),
        ("hierarchical_merge", "0"),
        ("hierarchical_merge", str(N)),
    ]
    errors = pq.read_table(run[0] / "errors.parquet").to_pylist()
    own = [
        row["mae"]
        for row in errors
        if (row["method"], row["round"], row["role"], row["prediction"]) == ("refine", ROUNDS, "future", "persona")
    ]
    assert lines[1][2] == f"{np.mean(own):.3f}"
    assert lines[0][3] == "+0.000" and lines[1][5].endswith("%")
    tokens = [int(line[-1].replace(",", "")) for line in lines]
    assert tokens[1] > 2 * tokens[0] > 0
