"""What a run says it will do is what it does: every stage, in order, with its rows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.commands.evaluate.evaluation_rounds import EvaluationRounds
from deeper.commands.evaluate.plan import make_plan
from deeper.commands.evaluate.settings import Settings
from deeper.storage.stage import InMemory, Rows, Stage

SCRIPTED: dict[str, Any] = {"policy_engine": "scripted", "predictor_engine": "scripted", "users": 3, "rounds": 2}


class Recording(InMemory):
    """Remembers which stages were run, over how many rows."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, int]] = []

    def run(self, stage: Stage, rows: Rows) -> pa.Table:
        self.ran.append((stage.name, rows.num_rows))
        return super().run(stage, rows)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted") / "users"
    write_planted(plant_users(30, seed=2), folder)
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"roles": ("future",)},
        {"methods": ("frozen", "user_median")},
        {"methods": ("user_median",)},
        {"methods": ("refine", "no_persona"), "split": "all", "calibration": "on"},
        {"methods": ("described",)},
        {"methods": ("refine", "no_persona", "raw_history", "described"), "roles": ("future",)},
        {"prediction": "history", "calibration_users": 3},
        {"prediction": "history", "calibration_users": 3, "methods": ("frozen", "raw_history")},
        {"split": "validation"},
        {"rounds": 0},
    ],
)
def test_the_stages_are_those_that_were_planned(planted: Path, changes: dict[str, Any]) -> None:
    plan = make_plan(Settings(**{"data": str(planted), **SCRIPTED, **changes}))
    executor = Recording()
    rounds = EvaluationRounds(plan.settings, plan.loop(executor), plan.population)
    planned = [(stage.name, stage.rows) for stage in rounds.stages()]
    rounds.run()
    assert executor.ran == planned


def test_users_with_few_windows_are_planned_for(planted: Path) -> None:
    plan = make_plan(Settings(data=str(planted), **{**SCRIPTED, "rounds": 5}, roles=("future",)))
    windows = {key: own[: 2 + i] for i, (key, own) in enumerate(plan.population.eval.items())}
    executor = Recording()
    rounds = EvaluationRounds(plan.settings, plan.loop(executor), replace(plan.population, eval=windows))
    rounds.run()
    assert executor.ran == [(stage.name, stage.rows) for stage in rounds.stages()]


def test_a_search_has_at_most_the_rows_that_were_planned(planted: Path) -> None:
    plan = make_plan(Settings(data=str(planted), **SCRIPTED, search_n=2, methods=("refine", "hierarchical_merge")))
    executor = Recording()
    rounds = EvaluationRounds(plan.settings, plan.loop(executor), plan.population)
    planned = [(stage.name, stage.rows) for stage in rounds.stages()]
    rounds.run()
    assert [name for name, _ in executor.ran] == [name for name, _ in planned]
    for (name, ran), (_, most) in zip(executor.ran, planned, strict=True):
        assert ran <= most, name
        assert name.startswith("judge") or ran == most, name
