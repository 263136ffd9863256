"""Updaters on planted users by `scripted:taste`: the known order comes out, in seconds and without a model."""

from pathlib import Path

import pytest
from rich.console import Console

from deeper import compare_runs
from deeper.behaviour.planted.plant import plant_users, write_planted
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.settings import Settings
from deeper.evaluation.runs.compared import Comparison

METHODS = ("refine", "incremental_update", "hierarchical_merge", "full_regeneration", "slide_regeneration", "frozen",
           "no_persona", "raw_history", "user_median")  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("taste")
    write_planted(plant_users(120, 6, seed=2), place / "data")
    for readout in ("distribution", "structured"):
        settings = Settings(
            data=str(place / "data"),
            policy_engine="scripted:taste",
            predictor_engine="scripted:taste",
            methods=METHODS,
            roles=("future",),
            readout=readout,
        )
        evaluate(settings, place / readout, Console(quiet=True))
    return place


def against(comparison: Comparison) -> dict[str, tuple[float, float]]:
    """The interval of each method's difference to the reference at the last round."""
    intervals = {one.method: one.difference.ci for one in comparison.shown() if one.difference}
    return {name: (low, high) for name, (low, high) in intervals.items() if low is not None and high is not None}


@pytest.mark.parametrize("readout", ["distribution", "structured"])
def test_who_sees_more_predicts_better(runs: Path, readout: str) -> None:
    frozen = against(compare_runs([runs / readout], f"{readout}:frozen"))
    for name in ("refine", "incremental_update", "hierarchical_merge", "full_regeneration"):
        assert frozen[name][1] < 0, name
    assert frozen["no_persona"][0] > 0
    slid = against(compare_runs([runs / readout], f"{readout}:slide_regeneration"))
    assert slid["refine"][1] < 0, "one window tells less than five"


def test_kinds_are_worth_more_than_the_level_alone(runs: Path) -> None:
    median = against(compare_runs([runs / "distribution"], "distribution:user_median"))
    assert median["refine"][1] < 0 < median["no_persona"][0]
