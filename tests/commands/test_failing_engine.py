"""An engine that fails a fifth of its calls: the run ends, all failures are counted, what did not fail is the same.

A failed update keeps the older persona, and a failed prediction leaves the next refinement without discrepancies. So a
failure may change what comes later of the same user and method, and nothing else.
"""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest
from failing_engine import VERBS, FailingEngine
from rich.console import Console

from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.evaluation.results_schema import read_results

Row = dict[str, Any]
METHODS = ("refine", "hierarchical_merge", "frozen", "no_persona", "user_median")
NEVER = 99


class Run(NamedTuple):
    """A finished run, and its engine."""

    folder: Path
    results: dict[str, Any]
    engine: FailingEngine

    def rows(self, name: str) -> list[Row]:
        """The rows of a table."""
        return pq.read_table(self.folder / f"{name}.parquet").to_pylist()

    def shards(self, pattern: str) -> list[Row]:
        """The rows of stages."""
        return [
            row for path in sorted(self.folder.glob(f"{pattern}/*.parquet")) for row in pq.read_table(path).to_pylist()
        ]


def make_run(
    folder: Path, share: float, monkeypatch: pytest.MonkeyPatch, verbs: Sequence[str] = VERBS, **settings: Any
) -> Run:
    engine = FailingEngine(share, verbs=verbs)
    monkeypatch.setattr(engine_choice, "make_engine", lambda *_: engine)
    chosen = {"users": 12, "calibration_users": 6, "rounds": 3, "methods": METHODS, "calibration": "off", **settings}
    results = evaluate(Settings(**chosen), folder, Console(quiet=True)).as_json()
    assert json.loads((folder / "results.json").read_text("utf-8")) == results
    return Run(folder, results, engine)


@pytest.fixture(scope="module", params=["distribution", "structured"])
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """A run whose engine fails, and one whose engine does not; not to be changed."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        one, other = (
            make_run(folder / name, share, patch, readout=request.param)
            for name, share in (("failing", 0.2), ("sound", 0.0))
        )
    asked = sum(map(len, one.engine.failed.values()))
    assert 0.1 < asked / one.engine.calls < 0.3
    assert not any(other.engine.failed.values())
    return one, other


def first_failures(run: Run) -> dict[tuple[str, str], int]:
    """By user and method, the round of the first persona that was not written, or not read."""
    personas = run.rows("personas")
    of = {row["id"]: (row["user"], row["method"], row["k"]) for row in personas}
    failed = [(row["user"], row["method"], row["k"]) for row in personas if row["failure"]]
    failed += [of[row["persona_id"]] for row in run.rows("predictions") if row["failure"]]
    first: dict[tuple[str, str], int] = {}
    for user, method, k in failed:
        for one in METHODS if method == "initialise" else [method]:
            first[user, one] = min(k, first.get((user, one), NEVER))
    return first


def comparable(run: Run, first: Mapping[tuple[str, str], int]) -> dict[str, list[Row]]:
    """What no failure can have changed: all before the first one of the same user and method."""

    def is_before(row: Row) -> bool:
        methods = METHODS if row["method"] == "initialise" else [row["method"]]
        return all(row["k"] < first.get((row["user"], method), NEVER) for method in methods)

    personas = [row for row in run.rows("personas") if is_before(row)]
    known = {row["id"] for row in personas}
    errors = [row for row in run.rows("errors") if row["round"] < first.get((row["user"], row["method"]), NEVER)]
    return {
        "personas": personas,
        "predictions": [row for row in run.rows("predictions") if row["persona_id"] in known],
        "errors": errors,
    }


def test_every_failure_is_counted(runs: tuple[Run, Run]) -> None:
    run, sound = runs
    personas, predictions = run.rows("personas"), run.rows("predictions")
    method = {row["id"]: row["method"] for row in personas}
    unread = Counter(method[row["persona_id"]] for row in predictions if row["failure"])
    unwritten = Counter(row["method"] for row in personas if row["failure"])
    assert {name: n for name, n in run.results["failures"].items() if n} == unread
    assert {name: n for name, n in run.results["persona_failures"].items() if n} == unwritten
    assert min(unread["refine"], unwritten["refine"], unwritten["hierarchical_merge"], unread["initialise"]) > 0
    assert not any(sound.results["failures"].values()) and not any(sound.results["persona_failures"].values())

    # Against the engine's own list. The shards hold calibration users, too; what is the same is asked in one call.
    written = [*run.shards("initialise"), *run.shards("update-*")]
    text = {row["id"]: row["text"] for row in (*personas, *written)}
    unread_rows = [row for row in run.shards("predict-*") if row["failure"]]
    refused = {verb: len(set(asked)) for verb, asked in run.engine.failed.items()}
    unwritten_count = sum(row["failure"] != "" for row in written)
    if run.results["config"]["readout"] == "distribution":
        windows: dict[str, list[int]] = {}
        for row in unread_rows:
            windows.setdefault(row["persona_id"], []).append(row["k"])
        users = {row["persona_id"]: row["user"] for row in unread_rows}
        unscored = {(users[name], text[name], *ks) for name, ks in windows.items()}
        assert refused == {"generate": unwritten_count, "score": len(unscored)}
    else:
        unanswered = {(row["user"], text[row["persona_id"]], row["k"]) for row in unread_rows}
        assert refused == {"generate": unwritten_count + len(unanswered), "score": 0}
    assert len(personas) == len(sound.rows("personas"))
    assert len(predictions) == len(sound.rows("predictions"))


def test_what_did_not_fail_is_the_same(runs: tuple[Run, Run]) -> None:
    run, sound = runs
    first = first_failures(run)
    kept, expected = comparable(run, first), comparable(sound, first)
    assert {name: len(rows) for name, rows in kept.items()} == {name: len(rows) for name, rows in expected.items()}
    # Where each prediction is a call of its own, a fifth of them fails, and little comes before a user's first failure.
    assert min(map(len, kept.values())) > (15 if run.results["config"]["readout"] == "distribution" else 1)
    assert kept == expected
    assert {method for _, method in first} >= {"refine", "hierarchical_merge", "frozen"}


def test_the_errors_are_those_of_the_predictions_that_are_there(runs: tuple[Run, Run]) -> None:
    for run in runs:
        actual = {
            (row["user"], row["k"]): np.array([item["rating"] for item in row["items"]]) for row in run.rows("windows")
        }
        personas = {row["id"]: row for row in run.rows("personas") if row["stage"] == "final"}
        errors: dict[tuple[str, int], list[float]] = {}
        for row in run.rows("predictions"):
            persona = personas[row["persona_id"]]
            if (
                persona["method"] in ("refine", "hierarchical_merge")
                and row["k"] == persona["k"] + 1
                and persona["text"]
                and not row["failure"]
            ):
                found = np.abs(np.array(row["points"]) - actual[row["user"], row["k"]]).mean()
                errors.setdefault((persona["method"], persona["k"]), []).append(float(found))
        told = {
            (entry["method"], entry["round"]): entry
            for entry in run.results["errors"]
            if entry["role"] == "future" and entry["method"] in ("refine", "hierarchical_merge") and entry["round"]
        }
        assert told.keys() == errors.keys()
        for key, found in errors.items():
            assert told[key]["mae"] == pytest.approx(np.mean(found), abs=1e-5)
            assert told[key]["users"] == len(found)


def test_failures_of_calibration_users_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "run", 0.4, monkeypatch, calibration="on", rounds=1, methods=("refine",))
    judged = {row["user"] for row in run.rows("personas")}
    unread = sum(row["failure"] != "" for row in run.shards("predict-0") if row["user"] not in judged)
    assert unread
    assert f"predictions of calibration users that failed, and so are in no map: {unread}" in run.results["notes"]


def test_an_engine_that_fails_always_ends_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "run", 1.1, monkeypatch, users=3, rounds=1)
    assert {entry["method"] for entry in run.results["errors"]} == {"user_median"}
    assert all(row["failure"] and not row["text"] for row in run.rows("personas") if row["method"] == "initialise")
    assert all(row["failure"] for row in run.rows("predictions"))
    places = {(entry["method"], entry["round"], entry["role"]) for entry in run.results["missing"]}
    held_out = {(method, t, "future") for method in METHODS if method != "user_median" for t in (0, 1)}
    assert held_out <= places and len(places) == len(run.results["missing"])
    assert all(entry["mae"] is None and entry["reason"] for entry in run.results["missing"])
    assert not read_results(run.folder / "results.json").is_complete


def test_the_same_command_asks_again_for_what_failed(
    runs: tuple[Run, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, sound = runs
    folder = Path(shutil.copytree(run.folder, tmp_path / "mended"))
    mended = make_run(folder, 0.0, monkeypatch, readout=run.results["config"]["readout"])
    for name in ("personas", "predictions", "errors"):
        assert mended.rows(name) == sound.rows(name)
    differing = {name for name in sound.results if mended.results[name] != sound.results[name]}
    assert differing <= {"cost"}
    assert mended.results["failed_calls"] == mended.results["missing"] == []


def test_calls_that_fail_for_ever_are_asked_again_alone_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", 0.2, monkeypatch)
    files = ("personas.parquet", "predictions.parquet", "errors.parquet")
    before = {name: (run.folder / name).read_bytes() for name in files}
    again = make_run(tmp_path / "run", 0.2, monkeypatch)
    assert {name: (run.folder / name).read_bytes() for name in files} == before
    assert {verb: set(asked) for verb, asked in again.engine.failed.items()} == {
        verb: set(asked) for verb, asked in run.engine.failed.items()
    }
    assert again.engine.calls < 0.5 * run.engine.calls


def test_calls_of_a_model_on_this_machine_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FailingEngine, "is_repeatable", True, raising=False)
    run = make_run(tmp_path / "run", 0.2, monkeypatch)
    assert any(run.engine.failed.values())
    assert not any(entry["asked_again"] for entry in run.results["failed_calls"])
    assert make_run(tmp_path / "run", 0.2, monkeypatch).engine.calls == 0


def test_a_policy_that_always_fails_leaves_no_result_of_personas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", 1.1, monkeypatch, verbs=["generate"])
    assert {entry["method"] for entry in run.results["errors"]} == {"no_persona", "user_median"}
    assert {entry["method"] for entry in run.results["missing"]} == {"frozen", "refine", "hierarchical_merge"}
    assert {entry["reason"] for entry in run.results["missing"]} == {"HTTP 500: out of luck"}
    assert {(entry["method"], entry["what"]) for entry in run.results["failed_calls"]} == {
        ("initialise", "personas"),
        ("refine", "personas"),
        ("hierarchical_merge", "personas"),
    }
    assert all(entry["failed"] == entry["calls"] for entry in run.results["failed_calls"])


def test_failed_calls_are_those_of_the_tables(runs: tuple[Run, Run]) -> None:
    run, sound = runs
    assert sound.results["failed_calls"] == []
    told = {(entry["what"], entry["method"]): entry for entry in run.results["failed_calls"]}
    method = {row["id"]: row["method"] for row in run.rows("personas")}
    rows = [("personas", row["method"], row["failure"]) for row in run.rows("personas")]
    rows += [("predictions", method[row["persona_id"]], row["failure"]) for row in run.rows("predictions")]
    failed = Counter((what, name) for what, name, failure in rows if failure)
    calls = Counter((what, name) for what, name, _ in rows)
    assert {key: entry["failed"] for key, entry in told.items()} == failed
    assert {key: entry["calls"] for key, entry in told.items()} == {key: calls[key] for key in failed}
