"""A tracker that is given a run's windows has the run's personas and predictions of `refine`."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from tracker_cases import rows_of

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.engine.scripted.engine import ScriptedEngine, ScriptedFailure, digest_scores
from deeper.errors import UserError
from deeper.tracker import PersonaTracker

ROUNDS, WINDOWS = 3, 5
SETTINGS: dict[str, Any] = {"max_persona_tokens": 40, "seed": 3, "evidence": "kinds"}


def leaning(prompt: Any, continuation: str, labels: Any) -> Any:
    """Log-probabilities that depend on every word but lean upwards, so that a calibration has something to fit."""
    return digest_scores(prompt, continuation, labels) + 0.3 * np.arange(len(labels))


def often_failing(prompt: Any, continuation: str, labels: Any) -> Any:
    if sum(map(ord, continuation)) % 97 == 0:
        raise ScriptedFailure("out of luck")
    return leaning(prompt, continuation, labels)


KINDS = {"calibrated": ("on", leaning), "raw": ("off", leaning), "failing": ("on", often_failing)}


@pytest.fixture(scope="module", params=KINDS.values(), ids=list(KINDS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ScriptedEngine, str]:
    calibration, judge = request.param
    base = tmp_path_factory.mktemp("run")
    write_planted(plant_users(10, WINDOWS, seed=4), base / "data")
    engine = ScriptedEngine(scorer=judge)
    methods = ("refine", "frozen")
    settings = Settings(data=str(base / "data"), rounds=ROUNDS, methods=methods, calibration=calibration, **SETTINGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_choice, "make_engine", lambda *_: engine)
        evaluate(settings, base / "run", Console(file=io.StringIO()))
    return base, engine, calibration


def live(base: Path, engine: ScriptedEngine, calibration: str) -> PersonaTracker:
    given = {"calibration": base / "run"} if calibration == "on" else {}
    engines = {"policy_engine": engine, "predictor_engine": engine}
    return PersonaTracker(base / "data" / "domain.toml", **engines, **given, **SETTINGS)


def windows(base: Path) -> dict[str, list[list[dict[str, Any]]]]:
    found: dict[str, list[Any]] = {}
    for row in pq.read_table(base / "run" / "windows.parquet").to_pylist():
        found.setdefault(row["user"], []).append(row["items"])
    return found


def of_run(base: Path, name: str) -> Any:
    return pq.read_table(base / "run" / f"{name}.parquet")


@pytest.mark.parametrize("batched", [True, False])
def test_personas_and_predictions_are_those_of_the_run(run: tuple[Path, ScriptedEngine, str], batched: bool) -> None:
    base, engine, calibration = run
    tracker = live(base, engine, calibration)
    known = {user: own[: ROUNDS + 1] for user, own in windows(base).items()}
    assert len(known) >= 3
    if batched:
        tracker.observe_all(rows_of({user: sum(own, []) for user, own in known.items()}))
    else:
        for user, own in known.items():
            for event in (event for window in own for event in window):
                tracker.observe(user, [event])
    tracker.save(base / f"saved-{batched}")
    tables = tracker._store.read()[1]
    tracker.close()

    personas = of_run(base, "personas").filter(pc.field("method").isin(["initialise", "refine"]))
    ids = pc.field("id")
    ours = tables["versions"].select(personas.schema.names)
    assert ours.num_rows == len(known) * (ROUNDS + 1)
    order = [("user", "ascending"), ("k", "ascending")]
    assert ours.sort_by(order).equals(personas.filter(ids.isin(ours["id"])).sort_by(order))
    assert personas.num_rows == ours.num_rows

    mine = tables["predictions"].sort_by(order)
    parents = dict(zip(personas["id"].to_pylist(), personas["k"].to_pylist(), strict=True))
    rows = of_run(base, "predictions").sort_by(order).to_pylist()
    theirs = [row for row in rows if row["k"] <= ROUNDS and parents.get(row["persona_id"]) == row["k"] - 1]
    assert mine.to_pylist() == theirs
    assert {row["calibrated"] for row in theirs if not row["failure"]} == {"domain" if calibration == "on" else "off"}


def test_the_errors_in_the_history_are_those_of_the_run(run: tuple[Path, ScriptedEngine, str]) -> None:
    base, engine, calibration = run
    tracker = live(base, engine, calibration)
    errors = of_run(base, "errors").filter((pc.field("method") == "refine") & (pc.field("role") == "future"))
    held_out = {(row["user"], row["round"]): row["mae"] for row in errors.to_pylist()}
    known = windows(base)
    tracker.observe_all(rows_of({user: sum(own, []) for user, own in known.items()}))
    compared = 0
    for user in known:
        for version in tracker.history(user)[1 : ROUNDS + 1]:
            assert version.error == held_out.get((user, version.k - 1))
            compared += version.error is not None
    assert compared >= len(known)


def test_what_is_predicted_for_new_titles_is_what_the_run_predicted(run: tuple[Path, ScriptedEngine, str]) -> None:
    base, engine, calibration = run
    tracker = live(base, engine, calibration)
    known = windows(base)
    for user, own in known.items():
        tracker.observe(user, own[0])
    found = tracker.predict_all({user: [item["title"] for item in own[1]] for user, own in known.items()})
    first = {row["id"]: row["user"] for row in of_run(base, "personas").to_pylist() if row["method"] == "initialise"}
    rows = [row for row in of_run(base, "predictions").to_pylist() if row["k"] == 1 and row["persona_id"] in first]
    assert len(rows) == len(known)
    for row in rows:
        mine = found[row["user"]]
        assert mine.points.tolist() == row["points"]
        assert mine.distribution.tolist() == row["distribution"]
        assert (mine.calibrated, mine.failure) == (row["calibrated"], row["failure"])


@pytest.mark.parametrize("change", ["readout", "engine", "evidence", "unfinished", "scale"])
def test_a_calibration_of_something_else_is_refused(
    run: tuple[Path, ScriptedEngine, str], change: str, tmp_path: Path
) -> None:
    base, engine, calibration = run
    settings: dict[str, Any] = {"policy_engine": engine, "predictor_engine": engine, "calibration": base / "run"}
    domain = base / "data" / "domain.toml"
    if change == "readout":
        settings["readout"] = "structured"
    if change == "engine":
        settings["predictor_engine"] = ScriptedEngine(scorer=lambda prompt, title, labels: [-1.0] * len(labels))
    if change == "unfinished":
        settings["calibration"] = tmp_path
    if change == "scale":
        domain = tmp_path / "domain.toml"
        domain.write_text((base / "data" / "domain.toml").read_text("utf-8").replace("scale = [0.5", "scale = [0"))
        assert "[0," in domain.read_text("utf-8")
    said = {
        "readout": "readout = ", "engine": "predictor = ", "evidence": "evidence = 'kinds' (here 'none')",
        "unfinished": "no calibration", "scale": "another scale",
    }  # fmt: skip
    with pytest.raises(UserError) as caught:
        PersonaTracker(domain, **{**settings, "evidence": "none" if change == "evidence" else "kinds"})
    expected = "not calibrated" if calibration == "off" and change == "scale" else said[change]
    assert expected in str(caught.value)
