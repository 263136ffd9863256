"""A run on a server without log-probabilities: which readout was used stands in its results."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.commands.evaluate.estimate import estimate
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.plan import RunPlan, make_plan
from deeper.commands.evaluate.preview import preview
from deeper.commands.evaluate.settings import Settings
from deeper.engine import NoLogProbabilities, ScoreRequest
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.errors import UserError


class NoScores(ScriptedEngine):
    def score(self, requests: list[ScoreRequest]) -> list:
        self.asked += requests
        raise NoLogProbabilities("the server gives no log-probabilities", do="use --readout structured")


def plan_of(tmp_path: Path, **more: str) -> tuple[RunPlan, NoScores]:
    data = tmp_path / "users"
    if not data.exists():
        write_planted(plant_users(12, 5), data)
    settings = Settings(
        data=str(data),
        policy_engine="scripted",
        predictor_engine="scripted",
        rounds=1,
        methods=("refine", "user_median"),
        **more,
    )
    plan, engine = make_plan(settings), NoScores()
    plan.engines["predictor"] = engine
    return plan, engine


def test_results_name_the_readout_that_was_used(tmp_path: Path) -> None:
    plan, _ = plan_of(tmp_path)
    results = evaluate(plan.settings, tmp_path / "run", Console(file=io.StringIO()), plan)
    assert {entry.readout for entry in results.errors if entry.method == "refine"} == {"structured"}
    assert "readout: structured, since the predictor gives no log-probabilities" in results.notes
    assert results.config["readout"] == "auto"


def test_distributions_that_were_asked_for_are_not_replaced(tmp_path: Path) -> None:
    plan, _ = plan_of(tmp_path, readout="distribution")
    with pytest.raises(UserError, match="no log-probabilities"):
        evaluate(plan.settings, tmp_path / "run", Console(file=io.StringIO()), plan)


@pytest.mark.parametrize("readout", ["auto", "structured"])
def test_the_estimate_and_the_preview_use_the_readout_of_the_run(tmp_path: Path, readout: str) -> None:
    plan, engine = plan_of(tmp_path, readout=readout)
    assert estimate(plan).windows > 0
    assert preview(plan).predicted is not None
    assert any(isinstance(call, ScoreRequest) for call in engine.asked) == (readout == "auto")
