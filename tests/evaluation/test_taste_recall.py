"""Taste recall on planted users: texts that say the truth, its opposite, or nothing."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from deeper.behaviour.planted.check import PlantedFolder, read_planted
from deeper.behaviour.planted.plant import liked_at
from deeper.errors import UserError
from deeper.evaluation.runs.load_run import Run, load_run
from deeper.evaluation.runs.taste_recall import taste_recall

Say = Callable[[Mapping[str, Any]], str]


@pytest.fixture
def planted(planted_data: Path) -> PlantedFolder:
    return read_planted(planted_data)


@pytest.fixture
def saying(made_run: Callable[..., Path], planted: PlantedFolder) -> Callable[[Say], Run]:
    """Gives a run whose personas say something of the truth of their users."""
    run = load_run(made_run("rules"))

    def said(say: Say) -> Run:
        texts = [say(planted.truth[user]) for user in run.personas["user"].to_pylist()]
        place = run.personas.schema.get_field_index("text")
        return replace(run, personas=run.personas.set_column(place, run.personas.schema.field(place), pa.array(texts)))

    return said


def truth(row: Mapping[str, Any]) -> str:
    return f"They love {', '.join(liked_at(row, 2))}. They dislike {', '.join(row['disliked'])}."


def test_the_truth_is_recalled(saying: Callable[[Say], Run], planted: PlantedFolder) -> None:
    found = taste_recall(saying(truth), planted, "refine", 2)
    assert (found.recall.mean, found.wrong.mean, found.users) == (1, 0, 12)


def test_the_opposite_is_all_wrong(saying: Callable[[Say], Run], planted: PlantedFolder) -> None:
    found = taste_recall(
        saying(lambda row: truth(row).replace("love", "hate").replace("dislike", "enjoy")), planted, "refine", 2
    )
    assert (found.recall.mean, found.wrong.mean) == (0, 1)


def test_neutral_kinds_and_those_no_longer_liked_are_wrong(
    saying: Callable[[Say], Run], planted: PlantedFolder
) -> None:
    rows = saying(truth).personas.to_pylist()
    users = [planted.truth[row["user"]] for row in rows if (row["method"], row["k"]) == ("refine", 2)]
    turned = sum(user["turn"] is not None and user["turn"] <= 2 for user in users)
    assert turned
    found = taste_recall(saying(lambda row: f"They love {row['liked'][0]}."), planted, "refine", 2)
    assert found.wrong.mean == pytest.approx(turned / len(users))
    in_force = sum(len(liked_at(user, 2)) + len(user["disliked"]) for user in users)
    assert found.recall.mean == pytest.approx((len(users) - turned) / in_force)


def test_a_persona_that_names_nothing_recalls_nothing(saying: Callable[[Say], Run], planted: PlantedFolder) -> None:
    found = taste_recall(saying(lambda _: "Most films strike them as good."), planted, "refine", 2)
    assert found.recall.mean == 0 and np.isnan(found.wrong.mean)


def test_rules_recall_most_of_the_taste(made_run: Callable[..., Path], planted: PlantedFolder) -> None:
    assert taste_recall(load_run(made_run("rules")), planted, "refine", 2).recall.low > 0.7


def test_a_run_of_fewer_rounds_or_of_others_is_refused(made_run: Callable[..., Path], planted: PlantedFolder) -> None:
    run = load_run(made_run("rules"))
    with pytest.raises(UserError, match="round 4"):
        taste_recall(run, planted, "refine", 4)
    with pytest.raises(UserError, match="these users"):
        taste_recall(run, replace(planted, truth={}), "refine", 2)
