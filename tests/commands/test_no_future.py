"""A signal planted in a window must not be seen by anything that is judged on that window or an earlier one."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from deeper.behaviour.load import load_windows
from deeper.behaviour.planted.plant import KINDS, Planted, plant_users, write_planted
from deeper.commands.evaluate import evaluate as pipeline
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution import engines as engine_choice
from deeper.engine import Prompt
from deeper.engine.scripted.engine import ScriptedEngine, digest_scores
from deeper.evaluation.baselines import predict_next
from deeper.evaluation.methods import BASELINES, CONTROLS, HISTORY_ONLY, UPDATERS

USERS, WINDOWS, ROUNDS, SIZE = 8, 5, 3, 10
PERSONA_METHODS = (*UPDATERS, "frozen", *CONTROLS)
BY_ROUND = ("raw_history", "described")
"""The controls with a text of their own in each round."""
VARIANTS: dict[str, dict[str, Any]] = {
    "on": {},
    "off": {"calibration": "off"},
    "search and history": {"search_n": 3, "prediction": "history"},
    "items known": {"item_knowledge": "population"},
}
"""Settings of the runs, by the name of their variant."""


@dataclass(frozen=True)
class Run:
    """A finished run and the data that it had."""

    folder: Path
    data: Path

    def table(self, name: str) -> pa.Table:
        return pq.read_table(self.folder / f"{name}.parquet")

    def files(self, stage: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / stage).iterdir()}


def reacting(prompt: Prompt, continuation: str, labels: Any) -> Any:
    """Log-probabilities that depend on every word, but lean upwards: a calibration has something to fit."""
    return digest_scores(prompt, continuation, labels) + 0.3 * np.arange(len(labels))


@pytest.fixture(scope="module")
def planted() -> Planted:
    made = plant_users(USERS, WINDOWS, seed=4)
    rows: list[dict[str, Any]] = made.behaviour.to_pylist()
    for number, row in enumerate(rows):  # several users rate the same item, so that one knows of another
        row["item"] = row["title"] = f"Title {number % 23}: A {KINDS[number % 23 % len(KINDS)]}"
    return replace(made, behaviour=pa.Table.from_pylist(rows, schema=made.behaviour.schema))


@pytest.fixture(scope="module")
def eval_users(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("split") / "data"
    write_planted(planted, folder)
    windows = load_windows(str(folder)).windows
    return set(windows.filter(pc.field("split") == "eval")["user"].to_pylist())


@pytest.fixture(scope="module")
def run(
    planted: Planted, eval_users: set[str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[frozenset[int], str], Run]:
    """Evaluate with all ratings of eval users in some windows mirrored; each case is run once."""
    done: dict[tuple[frozenset[int], str], Run] = {}

    def evaluate(marked: frozenset[int], variant: str) -> Run:
        key = (marked, variant)
        if key not in done:
            base = tmp_path_factory.mktemp("run")
            write_planted(mirrored(planted, eval_users, marked), base / "data")
            settings = Settings(
                data=str(base / "data"),
                rounds=ROUNDS,
                methods=(*PERSONA_METHODS, *(name for name in BASELINES if name != "matrix_factorisation")),
                policy_engine="scripted",
                predictor_engine="scripted",
                **VARIANTS[variant],
            )
            engine = ScriptedEngine(scorer=reacting)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(engine_choice, "make_engine", lambda *_: engine)
                pipeline.evaluate(settings, base / "run", Console(file=io.StringIO()))
            done[key] = Run(base / "run", base / "data")
        return done[key]

    return evaluate


def mirrored(planted: Planted, users: set[str], marked: frozenset[int]) -> Planted:
    """The ratings of the users in the marked windows mirrored at the scale's middle, and never as they were."""
    scale = planted.domain.scale
    rows: list[dict[str, Any]] = planted.behaviour.to_pylist()
    for row in rows:
        if row["user"] in users and row["position"] // SIZE in marked:
            other = scale.minimum + scale.maximum - row["rating"]
            row["rating"] = other if other != row["rating"] else scale.maximum
    return replace(planted, behaviour=pa.Table.from_pylist(rows, schema=planted.behaviour.schema))


def predictions_up_to(run: Run, k: int, table: str = "predictions") -> dict[tuple[str, str, int, int, str], Any]:
    """Predictions from personas that had seen windows before W_k only, by user, method, round and window."""
    personas = {row["id"]: row for row in run.table("personas").to_pylist()}
    found: dict[tuple[str, str, int, int, str], Any] = {}
    for row in run.table(table).to_pylist():
        persona = personas[row["persona_id"]]
        if persona["k"] < k:
            key = (row["user"], persona["method"], persona["k"], row["k"], persona["stage"])
            assert key not in found
            found[key] = row
    return found


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
class TestSignalInWindow:
    def test_no_persona_that_ends_before_it_knows(self, run: Any, k: int, variant: str) -> None:
        plain, marked = (run(frozenset(windows), variant) for windows in ((), (k,)))
        one, other = (each.table("personas").filter(pc.field("k") < k) for each in (plain, marked))
        methods = set(one["method"].to_pylist()) - {HISTORY_ONLY}
        assert methods == {"initialise", *CONTROLS} | (set(UPDATERS) if k > 1 else set())
        assert one.equals(other)

    def test_no_prediction_of_it_or_before_it_knows(self, run: Any, k: int, variant: str) -> None:
        one, other = (predictions_up_to(run(frozenset(w), variant), k) for w in ((), (k,)))
        if variant == "items known":  # later windows are predicted with what others have rated by then
            one, other = ({key: row for key, row in each.items() if key[3] <= k} for each in (one, other))
        assert one == other
        held_out = {method for _, method, at, window, _ in one if at == k - 1 and window == k}
        assert held_out == {*BY_ROUND} | (set(UPDATERS) if k > 1 else {"initialise", "no_persona"})
        last = k if variant == "items known" else ROUNDS + 1
        assert {window for _, method, _, window, _ in one if method == "initialise"} == set(range(last + 1))

    def test_no_shard_before_it_changes(self, run: Any, k: int, variant: str) -> None:
        plain, marked = (run(frozenset(windows), variant) for windows in ((), (k,)))
        of_a_round = ("candidates", "judge", "predict") if variant == "search and history" else ("update", "predict")
        first = ["initialise"] if variant == "items known" else ["initialise", "predict-0"]
        changed = variant == "items known" and k <= ROUNDS
        assert (plain.files("predict-0") != marked.files("predict-0")) == changed, "S_0 predicts later windows, too"
        stages = [*first, *(f"{stage}-{t}" for t in range(1, k) for stage in of_a_round)]
        for stage in stages:
            assert plain.files(stage) == marked.files(stage)

    def test_no_error_of_an_earlier_window_changes(self, run: Any, k: int, variant: str) -> None:
        held_out = (pc.field("role") == "future") & (pc.field("round") + 1 < k)
        one, other = (run(frozenset(w), variant).table("errors").filter(held_out) for w in ((), (k,)))
        assert one.equals(other)
        shown = set(PERSONA_METHODS) | set(BASELINES) - {"matrix_factorisation"}
        shown |= {HISTORY_ONLY} if variant == "search and history" else set()
        assert set(one["method"].to_pylist()) == (shown if k > 1 else set())

    def test_calibration_does_not_know(self, run: Any, k: int, variant: str) -> None:
        plain, marked = (run(frozenset(windows), variant) for windows in ((), (k,)))
        one, other = ((each.folder / "calibration.json").read_bytes() for each in (plain, marked))
        assert one == other
        assert (b'"planted"' in one) == (variant != "off")

    def test_what_comes_after_it_does_change(self, run: Any, k: int, variant: str) -> None:
        one, other = (
            {
                (row["user"], row["method"], row["k"], row["stage"]): row["text"]
                for row in run(frozenset(w), variant).table("personas").to_pylist()
            }
            for w in ((), (k,))
        )
        changed = {key[1] for key, text in one.items() if key[2] == k and other.get(key) != text}
        expected = {*UPDATERS, *BY_ROUND} if k <= ROUNDS else set()
        if variant == "search and history":  # a search may keep the old persona both times; see its own table's test
            assert {*BY_ROUND} & expected <= changed <= expected
        else:
            assert changed == expected, "the last is predicted, never read"


@pytest.mark.parametrize("variant", ["on", "items known"])
def test_calibration_never_knows_any_rating_of_an_eval_user(run: Any, variant: str) -> None:
    plain, marked = run(frozenset(), variant), run(frozenset(range(WINDOWS)), variant)
    assert (plain.folder / "calibration.json").read_bytes() == (marked.folder / "calibration.json").read_bytes()
    assert not plain.table("personas").equals(marked.table("personas"))
    assert not plain.table("predictions").equals(marked.table("predictions"))


def test_calibration_does_know_the_ratings_of_train_users(
    run: Any, planted: Planted, eval_users: set[str], tmp_path: Path
) -> None:
    everyone = set(planted.truth["user"].to_pylist())
    write_planted(mirrored(planted, everyone - eval_users, frozenset(range(WINDOWS))), tmp_path / "data")
    settings = Settings(data=str(tmp_path / "data"), rounds=1, methods=("frozen",), policy_engine="scripted")
    engine = ScriptedEngine(scorer=reacting)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_choice, "make_engine", lambda *_: engine)
        pipeline.evaluate(settings, tmp_path / "run", Console(file=io.StringIO()))
    plain = run(frozenset(), "on")
    assert (tmp_path / "run" / "calibration.json").read_bytes() != (plain.folder / "calibration.json").read_bytes()


@pytest.mark.parametrize("k", [1, 2, 3, 4])
class TestSearchAndHistory:
    def test_no_decision_before_it_knows(self, run: Any, k: int) -> None:
        one, other = (run(frozenset(w), "search and history").table("search") for w in ((), (k,)))
        assert set(one["k"].to_pylist()) == set(range(1, ROUNDS + 1))
        assert one.filter(pc.field("k") < k).equals(other.filter(pc.field("k") < k))
        assert k > ROUNDS or not one.equals(other), "what is known decides"

    def test_no_prediction_with_history_of_it_knows(self, run: Any, k: int) -> None:
        one, other = (predictions_up_to(run(frozenset(w), "search and history"), k, "history") for w in ((), (k,)))
        before = {key: row for key, row in one.items() if key[3] <= k}
        assert before == {key: row for key, row in other.items() if key[3] <= k}
        assert {key[1] for key in before if key[3] == k} >= {"initialise", "no_persona", HISTORY_ONLY}
        later = {key: row for key, row in one.items() if key[3] > k}
        assert bool(later) == (k <= ROUNDS) == any(other[key] != row for key, row in later.items())


def test_history_is_fitted_on_train_users_only(run: Any) -> None:
    plain, marked = (run(windows, "search and history") for windows in (frozenset(), frozenset(range(WINDOWS))))
    one, other = ((each.folder / "history.json").read_bytes() for each in (plain, marked))
    assert b'"planted"' in one and one == other
    assert not plain.table("history").equals(marked.table("history"))


def test_history_with_items_known_is_fitted_on_train_users_only(
    planted: Planted, eval_users: set[str], tmp_path: Path
) -> None:
    for name, marked in (("plain", frozenset[int]()), ("marked", frozenset(range(WINDOWS)))):
        write_planted(mirrored(planted, eval_users, marked), tmp_path / name)
        settings = Settings(
            data=str(tmp_path / name),
            rounds=2,
            methods=("refine",),
            policy_engine="scripted",
            prediction="history",
            item_knowledge="population",
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine_choice, "make_engine", lambda *_: ScriptedEngine(scorer=reacting))
            pipeline.evaluate(settings, tmp_path / f"run-{name}", Console(file=io.StringIO()))
    for file in ("calibration.json", "history.json"):
        one, other = ((tmp_path / f"run-{name}" / file).read_bytes() for name in ("plain", "marked"))
        assert b'"planted"' in one and one == other


def test_history_fit_does_know_the_ratings_of_train_users(
    run: Any, planted: Planted, eval_users: set[str], tmp_path: Path
) -> None:
    everyone = set(planted.truth["user"].to_pylist())
    last = frozenset({2})  # W_2 is in the fit of a run of one round, and in no calibration map
    write_planted(mirrored(planted, everyone - eval_users, last), tmp_path / "data")
    write_planted(planted, tmp_path / "plain")
    for name in ("data", "plain"):
        settings = Settings(
            data=str(tmp_path / name), rounds=1, methods=("frozen",), policy_engine="scripted", prediction="history"
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine_choice, "make_engine", lambda *_: ScriptedEngine(scorer=reacting))
            pipeline.evaluate(settings, tmp_path / f"run-{name}", Console(file=io.StringIO()))
    for file, same in (("calibration.json", True), ("history.json", False)):
        one, other = ((tmp_path / f"run-{name}" / file).read_bytes() for name in ("data", "plain"))
        assert (one == other) is same


@pytest.mark.parametrize("method", BASELINES)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_no_baseline_knows(run: Any, planted: Planted, method: str, k: int) -> None:
    plain, marked = (load_windows(str(run(frozenset(w), "off").data)).windows for w in ((), (k,)))
    for t in range(k):
        one, other = (predict_next(method, windows, planted.domain, t, 1) for windows in (plain, marked))
        assert one.keys() == other.keys()
        assert one
        for user in one:
            np.testing.assert_equal(one[user], other[user])
    if k <= ROUNDS and method in {"user_mean", "last_window_median", "user_histogram"}:
        one, other = (predict_next(method, windows, planted.domain, k, 1) for windows in (plain, marked))
        assert any((one[user].points != other[user].points).any() for user in one)
