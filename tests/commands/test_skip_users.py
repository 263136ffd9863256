"""Runs with `skip_users` judge the users that an earlier run left."""

from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.errors import UserError
from deeper.evaluation.runs.compare_runs import compare_runs
from deeper.evaluation.runs.load_run import Run, load_run

Judge = Callable[..., Run]


@pytest.fixture(scope="module", name="judge")
def fixture_judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """Judges users of a data folder that all of a module's runs share."""
    base = tmp_path_factory.mktemp("skipped")
    write_planted(plant_users(160, 3, seed=4), base / "data")

    def run(name: str, **settings: Any) -> Run:
        scripted = {"policy_engine": "scripted", "predictor_engine": "scripted", "methods": ("refine", "user_median")}
        chosen = Settings.model_validate(
            {"data": str(base / "data"), "rounds": 1, "calibration_users": 2, **scripted, **settings}
        )
        evaluate(chosen, base / name, Console(quiet=True))
        return load_run(base / name)

    return run


def judged(run: Run) -> set[str]:
    return set(run.errors["user"].to_pylist())


@pytest.mark.parametrize("split", ["eval", "validation", "all"])
def test_users_that_were_judged_before_are_not_judged_again(judge: Judge, split: str) -> None:
    first, second, both = (
        judge(f"{split}-{name}", split=split, **users)
        for name, users in (
            ("first", {"users": 3}),
            ("second", {"users": 3, "skip_users": 3}),
            ("both", {"users": 6}),
        )
    )
    assert len(judged(second)) == 3
    assert not judged(first) & judged(second)
    assert judged(first) | judged(second) == judged(both)
    assert set(second.windows["user"].to_pylist()) == judged(second)
    assert second.results.users == {"planted": 3} and second.manifest["eval_users"] == 3
    note = "users: skips the first 3 of each domain, which a run with --users 3 judges"
    assert note in second.results.notes and note not in first.results.notes


def test_runs_are_compared_on_the_users_that_both_judge(judge: Judge) -> None:
    every, later, first = (
        judge(name, **users).folder
        for name, users in (
            ("every", {"users": 6}),
            ("later", {"users": 6, "skip_users": 4}),
            ("first", {"users": 2}),
        )
    )
    both = judged(load_run(every)) & judged(load_run(later))
    assert len(both) == 2
    compared = compare_runs([load_run(every), load_run(later)])
    assert {entry.users for entry in compared.entries} == {2}
    with pytest.raises(UserError, match="no window in common"):
        compare_runs([load_run(first), load_run(later)])


def test_no_run_is_made_if_all_users_are_skipped(judge: Judge) -> None:
    with pytest.raises(UserError, match="all users are skipped: no domain has more than"):
        judge("none", skip_users=1000)
