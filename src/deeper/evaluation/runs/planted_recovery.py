"""What the personas of a run recover of the planted taste: their predictions beside what was planted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from deeper.behaviour.planted.check import PlantedFolder, kind_of
from deeper.behaviour.planted.plant import liked_at
from deeper.behaviour.recipe import RECIPE
from deeper.errors import UserError
from deeper.evaluation.methods import FROZEN
from deeper.evaluation.runs.load_run import Run
from deeper.measure.intervals import Interval, mean_interval

Groups = Mapping[str, float]
"""The mean of some values over a window's neutral, liked and disliked items; a group without an item is left out."""


@dataclass(frozen=True)
class Recovered:
    """What the predictions of one method say of the planted taste, on the held-out window of the last round.

    Attributes:
        method: The method.
        users: Number of users.
        level_correlation: Between planted and predicted level, over users; the level is that of neutral items.
        level_distance: Mean distance between both, in units of the scale.
        liked: Predicted rating of liked items minus that of neutral ones, mean over users.
        disliked: The same of disliked items.
    """

    method: str
    users: int
    level_correlation: float
    level_distance: float
    liked: Interval
    disliked: Interval


@dataclass(frozen=True)
class Recovery:
    """What each method recovers.

    Attributes:
        k: The predicted window.
        liked: Planted rating of liked items minus that of neutral ones, mean over users.
        disliked: The same of disliked items.
        methods: One entry for each method with a prediction.
    """

    k: int
    liked: float
    disliked: float
    methods: list[Recovered]


def planted_recovery(run: Run, planted: PlantedFolder) -> Recovery:
    """Hold a run's predictions of the last held-out window against the truth.

    Args:
        run: A run on these planted users.
        planted: The users and their truth.

    Raises:
        UserError: The run judged other users or other ratings.
    """
    rounds: list[Any] = run.errors.filter(pc.field("role") == "future")["round"].to_pylist()
    k = max(rounds, default=0) + 1
    windows = run.windows.filter((pc.field("domain") == planted.domain.id) & (pc.field("k") == k)).to_pylist()
    for user, items in ((row["user"], row["items"]) for row in windows):
        own = planted.events.get(user, [])[k * RECIPE.window_size :][: len(items)]
        if [(item["title"], item["rating"]) for item in items] != [(one["title"], one["rating"]) for one in own]:
            raise UserError(
                "the run judged other users or ratings than this folder holds",
                where=str(run.folder),
                do="give the folder that the run's --data named",
            )
    expected = {row["user"]: _planted(planted, row["user"], k) for row in windows}
    found = [_recovered(method, points, expected, planted, k) for method, points in _points(run, planted, k).items()]
    groups = list(expected.values())
    return Recovery(k, _effect(groups, "liked").mean, _effect(groups, "disliked").mean, found)


def _points(run: Run, planted: PlantedFolder, k: int) -> dict[str, dict[str, Sequence[float]]]:
    """Predictions of W_k, the last window, by method and user; of all personas only the last ones and S_0 have any."""
    personas = run.personas.filter(pc.field("stage") == "final").select(["id", "method"]).to_pylist()
    method_of = {row["id"]: FROZEN if row["method"] == "initialise" else row["method"] for row in personas}
    chosen = (pc.field("domain") == planted.domain.id) & (pc.field("k") == k) & (pc.field("failure") == "")
    found: dict[str, dict[str, Sequence[float]]] = {}
    for row in run.predictions.filter(chosen).to_pylist():
        if row["persona_id"] in method_of:
            found.setdefault(method_of[row["persona_id"]], {})[row["user"]] = row["points"]
    return {method: found[method] for method in run.settings["methods"] if method in found}


def _planted(planted: PlantedFolder, user: str, k: int) -> Groups:
    start = k * RECIPE.window_size
    return _groups(planted.truth[user]["expected"][start : start + RECIPE.window_size], planted, user, k)


def _groups(values: Sequence[float], planted: PlantedFolder, user: str, k: int) -> Groups:
    """The mean of values of W_k over its neutral, liked and disliked items."""
    truth, start = planted.truth[user], k * RECIPE.window_size
    found: dict[str, list[float]] = {}
    for value, event in zip(values, planted.events[user][start:], strict=False):
        kind = kind_of(event["title"])
        group = "liked" if kind in liked_at(truth, k) else "disliked" if kind in truth["disliked"] else "neutral"
        found.setdefault(group, []).append(value)
    return {group: float(np.mean(own)) for group, own in found.items()}


def _recovered(
    method: str, points: Mapping[str, Sequence[float]], expected: Mapping[str, Groups], planted: PlantedFolder, k: int
) -> Recovered:
    groups = {user: _groups(own, planted, user, k) for user, own in points.items()}
    pairs = [(expected[user]["neutral"], own["neutral"]) for user, own in groups.items() if "neutral" in own]
    there, here = np.array(pairs, np.float64).reshape(-1, 2).T
    varies = len(pairs) > 1 and there.std() > 0 and here.std() > 0
    return Recovered(
        method=method,
        users=len(points),
        level_correlation=float(np.corrcoef(there, here)[0, 1]) if varies else float("nan"),
        level_distance=float(np.abs(there - here).mean()) if len(pairs) else float("nan"),
        liked=_effect(list(groups.values()), "liked"),
        disliked=_effect(list(groups.values()), "disliked"),
    )


def _effect(groups: Sequence[Groups], name: str) -> Interval:
    """The mean over users of a group's mean above that of neutral items."""
    found = [own[name] - own["neutral"] for own in groups if name in own and "neutral" in own]
    return mean_interval(np.array(found)) if found else Interval(*[float("nan")] * 3)
