"""What can be said of a user's ratings, in numbers: the facts that the describer puts into words."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeper.behaviour.levels import half_step
from deeper.domains import Domain
from deeper.learning.describer.kinds import title_kinds

Floats = NDArray[np.float64]
Window = Sequence[Mapping[str, Any]]
"""The items of a window, as `deeper.behaviour.schema.ITEM` has them; `title` and `rating` are read."""

KIND_COUNT = 3
"""Distinct titles that a kind needs before anything is said of it."""

KIND_SHRINKAGE = 3.0
"""Items of no effect that are added to each kind."""

KIND_SCORE = 1.0
"""Least summed deviation of a kind, in standard deviations of such a sum."""

KINDS_TOLD = 3
"""Kinds told of each direction at most."""

DRIFT_SCORE = 1.6
"""Least change from the earlier ratings to the last window's, in standard deviations of such a change."""


@dataclass(frozen=True)
class Facts:
    """What a user's ratings so far show.

    Attributes:
        count: Ratings that are real ones; 0 leaves nothing else to say.
        median: The typical verdict, to half a step of the scale (the middle of the scale without ratings).
        spread: Mean absolute deviation from the median, as a share of the scale's range.
        lean: Share of ratings above the median less the share below it.
        best: Share of ratings at the scale's maximum.
        worst: Share of ratings in the scale's lowest quarter.
        drift: Mean of the last window less the mean of all before it, as a share of the scale's range; 0 where
            that is no more than noise, None where there is no earlier window with ratings.
        pleasing: Kinds of items that are rated above the user's mean, the strongest first.
        disappointing: Kinds of items that are rated below it, the strongest first.
    """

    count: int
    median: float
    spread: float = 0.0
    lean: float = 0.0
    best: float = 0.0
    worst: float = 0.0
    drift: float | None = None
    pleasing: tuple[str, ...] = ()
    disappointing: tuple[str, ...] = ()


def facts(windows: Sequence[Window], domain: Domain, median: float | None = None) -> Facts:
    """The facts of a user's windows.

    Args:
        windows: W_0..W_k in time order; ratings that mean "no rating" are left out.
        domain: The domain of all of them.
        median: What is taken for the typical verdict; the median of the ratings by default.
    """
    scale = domain.scale
    items = [item for window in windows for item in _rated(window, domain)]
    if not items:
        return Facts(0, verdict(windows, domain))
    ratings = _ratings(items)
    median = float(np.median(ratings)) if median is None else median
    span = scale.maximum - scale.minimum
    pleasing, disappointing = _kinds([item["title"] for item in items], ratings, domain)
    return Facts(
        count=len(ratings),
        median=half_step(median, scale),
        spread=float(np.abs(ratings - median).mean() / span),
        lean=float(np.sign(ratings - median).mean()),
        best=float((ratings > scale.maximum - scale.step / 2).mean()),
        worst=float((ratings <= scale.minimum + span / 4).mean()),
        drift=drift(windows, domain),
        pleasing=pleasing,
        disappointing=disappointing,
    )


def verdict(windows: Sequence[Window], domain: Domain) -> float:
    """The typical verdict alone, as `facts` has it."""
    scale = domain.scale
    ratings = [item["rating"] for window in windows for item in _rated(window, domain)]
    return half_step(float(np.median(ratings)) if ratings else (scale.minimum + scale.maximum) / 2, scale)


def drift(windows: Sequence[Window], domain: Domain) -> float | None:
    """Change of the mean rating in the last window, as `Facts` has it: 0 if it may be noise (two-sample z score).

    Args:
        windows: W_0..W_k in time order; the last with ratings is compared with all before it.
        domain: The domain of all of them.
    """
    rated = [_ratings(items) for window in windows if (items := _rated(window, domain))]
    if len(rated) < 2:
        return None
    earlier, last = np.concatenate(rated[:-1]), rated[-1]
    change = float(last.mean() - earlier.mean())
    deviation = float(np.concatenate(rated).std())
    noise = deviation * float(np.sqrt(1 / len(last) + 1 / len(earlier)))
    span = domain.scale.maximum - domain.scale.minimum
    return change / span if abs(change) > DRIFT_SCORE * noise else 0.0


def _rated(window: Window, domain: Domain) -> list[Mapping[str, Any]]:
    return [item for item, real in zip(window, domain.is_rated(_ratings(window)), strict=True) if real]


def _ratings(items: Window) -> Floats:
    return np.array([item["rating"] for item in items], np.float64)


def _kinds(titles: Sequence[str], ratings: Floats, domain: Domain) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Kinds that please and kinds that disappoint, by their shrunk mean deviation from the user's mean rating."""
    members: dict[str, list[int]] = defaultdict(list)
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for position, title in enumerate(titles):
        for key, form in title_kinds(title, domain).items():
            members[key].append(position)
            forms[key][form] += 1
    residuals, deviation = ratings - ratings.mean(), float(ratings.std())
    effects: dict[str, float] = {}
    for key, positions in members.items():
        total = float(residuals[positions].sum())
        several = len({titles[position] for position in positions}) >= KIND_COUNT
        if several and abs(total) > KIND_SCORE * deviation * len(positions) ** 0.5:
            effects[key] = total / (len(positions) + KIND_SHRINKAGE)

    def told(sign: int) -> tuple[str, ...]:
        chosen: list[str] = []
        for key in sorted(effects, key=lambda key: (-sign * effects[key], key)):
            if sign * effects[key] > 0 and not any(_same(members[key], members[other]) for other in chosen):
                chosen.append(key)
        return tuple(min(forms[key], key=lambda form: (-forms[key][form], form)) for key in chosen[:KINDS_TOLD])

    return told(1), told(-1)


def _same(some: Sequence[int], others: Sequence[int]) -> bool:
    """Whether two kinds are largely the same items, such as two words of one title."""
    return 2 * len(set(some) & set(others)) > len(set(some) | set(others))
