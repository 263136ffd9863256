"""The facts that a user's ratings show, in numbers; the describer puts them into words."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.domains.levels import half_step
from deeper.learning.describer.kinds import title_kinds
from deeper.learning.describer.recipe import DESCRIBER

Floats = NDArray[np.float64]
Window = Sequence[Mapping[str, Any]]
"""Items of a window, in the form of `deeper.behaviour.schema.ITEM`; only `title` and `rating` are read."""


@dataclass(frozen=True)
class Facts:
    """What a user's ratings so far show.

    The seeds of phrasings hash the repr of this class: renaming it or a field changes every text.

    Attributes:
        count: Number of ratings; with 0 all other facts are defaults.
        median: Median rating, to half a step of the scale; the middle of the scale without ratings.
        spread: Mean absolute deviation from the median, as a share of the scale's range.
        lean: Share of ratings above the median minus the share below it.
        best: Share of ratings at the scale's maximum.
        worst: Share of ratings in the scale's lowest quarter.
        drift: Mean of the last window minus the mean of all before it, as a share of the scale's range; 0 if that may
            be noise, None if no earlier window has ratings.
        pleasing: Kinds of items rated above the user's mean, the strongest first.
        disappointing: Kinds of items rated below it, the strongest first.
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


def facts_of(windows: Sequence[Window], domain: Domain, median: float | None = None) -> Facts:
    """Compute the facts of a user's windows.

    Args:
        windows: W_0..W_k in time order; values that mean "no rating" are ignored.
        domain: The domain of all of them.
        median: The median to use in place of that of the ratings.
    """
    scale = domain.scale
    items = [item for window in windows for item in _rated(window, domain)]
    if not items:
        return Facts(0, median_rating(windows, domain))
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
        worst=float((ratings <= scale.minimum + span * DESCRIBER.worst_part).mean()),
        drift=drift(windows, domain),
        pleasing=pleasing,
        disappointing=disappointing,
    )


def median_rating(windows: Sequence[Window], domain: Domain) -> float:
    """`Facts.median` of windows, without the other facts."""
    scale = domain.scale
    ratings = [item["rating"] for window in windows for item in _rated(window, domain)]
    return half_step(float(np.median(ratings)) if ratings else (scale.minimum + scale.maximum) / 2, scale)


def drift(windows: Sequence[Window], domain: Domain) -> float | None:
    """`Facts.drift`: the change of the mean rating in the last window, 0 if it may be noise (two-sample z score).

    Args:
        windows: W_0..W_k in time order; the last one with ratings is compared with all before it.
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
    return change / span if abs(change) > DESCRIBER.drift_min_score * noise else 0.0


def _rated(window: Window, domain: Domain) -> list[Mapping[str, Any]]:
    return [item for item, real in zip(window, domain.is_rated(_ratings(window)), strict=True) if real]


def _ratings(items: Window) -> Floats:
    return np.array([item["rating"] for item in items], np.float64)


def _kinds(titles: Sequence[str], ratings: Floats, domain: Domain) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Kinds rated above and below the user's mean, by their shrunk mean deviation from it."""
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
        several = len({titles[position] for position in positions}) >= DESCRIBER.kind_min_titles
        if several and abs(total) > DESCRIBER.kind_min_score * deviation * len(positions) ** 0.5:
            effects[key] = total / (len(positions) + DESCRIBER.kind_shrinkage_items)

    def strongest(sign: int) -> tuple[str, ...]:
        chosen: list[str] = []
        for key in sorted(effects, key=lambda key: (-sign * effects[key], key)):
            if sign * effects[key] > 0 and not any(_same(members[key], members[other]) for other in chosen):
                chosen.append(key)
        return tuple(
            min(forms[key], key=lambda form: (-forms[key][form], form)) for key in chosen[: DESCRIBER.max_kinds]
        )

    return strongest(1), strongest(-1)


def _same(some: Sequence[int], others: Sequence[int]) -> bool:
    """Whether two kinds consist mostly of the same items, such as two words of one title."""
    return 2 * len(set(some) & set(others)) > len(set(some) | set(others))
