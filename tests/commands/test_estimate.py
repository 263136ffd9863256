"""The rehearsal counts what the run does, and the estimate is of measured calls."""

import io
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from rich.console import Console

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.commands.evaluate.estimate import estimate, rehearse
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.plan import make_plan
from deeper.commands.evaluate.settings import Settings
from deeper.engine import Completion, Prompt, Sampling, ScoreRequest
from deeper.engine.scripted.engine import ScriptedEngine

SCRIPTED = {"policy_engine": "scripted", "predictor_engine": "scripted"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted") / "users"
    write_planted(plant_users(24, 5), folder)
    return folder


@pytest.mark.parametrize(
    "more",
    [
        {"split": "all", "users": 24, "roles": ("future",)},
        {"rounds": 1, "search_n": 3, "methods": ("refine", "hierarchical_merge")},
        {"methods": ("frozen", "user_median"), "prediction": "history"},
        {"methods": ("refine", "described")},
    ],
    ids=["all users", "search", "history", "described"],
)
def test_the_rehearsal_counts_what_the_run_does(data: Path, tmp_path: Path, more: dict[str, object]) -> None:
    settings = Settings(data=str(data), **SCRIPTED, **more)
    plan = make_plan(settings)
    personas, windows = rehearse(plan)
    evaluate(settings, tmp_path / "run", Console(file=io.StringIO()), plan)
    written = [*(tmp_path / "run").glob("initialise/*.parquet"), *(tmp_path / "run").glob("update-*/*.parquet")]
    written += (tmp_path / "run").glob("candidates-*/*.parquet")
    predicted = [*(tmp_path / "run").glob("predict-*/*.parquet"), *(tmp_path / "run").glob("judge-*/*.parquet")]
    # All planted users have as many windows, so that a few of them stand for all but rounding and leaks.
    assert personas == pytest.approx(sum(pq.read_table(path).num_rows for path in written), rel=0.02)
    assert windows == pytest.approx(sum(pq.read_table(path).num_rows for path in predicted), rel=0.02)


def test_the_estimate_is_of_measured_calls(data: Path) -> None:
    class Slow(ScriptedEngine):
        def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
            time.sleep(0.05 * len(prompts))
            return super().generate(prompts, sampling)

        def score(self, requests: Sequence[ScoreRequest]) -> list[NDArray]:
            time.sleep(0.02 * len(requests))
            return super().score(requests)

    plan = make_plan(Settings(data=str(data), methods=("refine", "user_median"), rounds=2, **SCRIPTED))
    plan.engines.update(policy=Slow(), predictor=Slow())
    found = estimate(plan)
    assert found.seconds_per_persona >= 0.05
    assert found.seconds_per_window >= 0.02
    assert found.seconds == pytest.approx(
        found.personas * found.seconds_per_persona + found.windows * found.seconds_per_window
    )
    assert found.seconds > 0.05 * found.personas
