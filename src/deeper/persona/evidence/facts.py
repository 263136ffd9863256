"""The facts that a user's ratings show, as far as words can tell them: `lines` and the describer say them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.domains.levels import half_step
from deeper.persona.evidence.kind_effects import KindEffect, kind_effects
from deeper.persona.evidence.recipe import EVIDENCE

Floats = NDArray[np.float64]
Window = Sequence[Mapping[str, Any]]
"""Items of a window, in the form of `deeper.behaviour.schema.ITEM`; only title, categories and rating are read."""
CLEAR, HEDGED = 2, 1


@dataclass(frozen=True)
class KindVerdict:
    """What is told of a kind.

    Attributes:
        name: The kind, as it is shown.
        strength: 2 (clearly) or 1 (perhaps) above the rest, −1 or −2 below it.
    """

    name: str
    strength: int


@dataclass(frozen=True)
class Facts:
    """What a user's ratings so far show.

    The seeds of phrasings hash the repr of this class: renaming it or a field changes every text.

    Attributes:
        count: Number of ratings; with 0 all other facts are defaults.
        median: Median rating, to half a step of the scale; the middle of the scale without ratings.
        spread: How far the ratings lie apart: a level from 0 (hardly) to 3 (hugely); see `EvidenceRecipe`.
        best: How often the top rating is given: a level from 0 (never) to 3 (mostly).
        worst: The same for ratings in the scale's lowest quarter.
        known: How long the user is known: 0 (new), 1 (for a while) or 2 (long).
        drift: Where the middle has moved with the last window: 1 (up), −1 (down) or 0.
        kinds: Kinds above and below the rest: those above first, and the surest of each side first.
    """

    count: int
    median: float
    spread: int = 0
    best: int = 0
    worst: int = 0
    known: int = 0
    drift: int = 0
    kinds: tuple[KindVerdict, ...] = ()


def facts_of(windows: Sequence[Window], domain: Domain) -> Facts:
    """Compute the facts of a user's windows.

    Args:
        windows: In time order; values that mean "no rating" are ignored.
        domain: The domain of all of them.
    """
    scale = domain.scale
    items = [item for window in windows for item in rated(window, domain)]
    if not items:
        return Facts(0, median_rating(windows, domain))
    ratings = ratings_of(items)
    median, span = float(np.median(ratings)), scale.maximum - scale.minimum
    return Facts(
        count=len(ratings),
        median=half_step(median, scale),
        spread=level_of(float(np.abs(ratings - median).mean() / span), EVIDENCE.spread_starts),
        best=level_of(float((ratings > scale.maximum - scale.step / 2).mean()), EVIDENCE.best_starts),
        worst=level_of(float((ratings <= scale.minimum + span * EVIDENCE.worst_part).mean()), EVIDENCE.worst_starts),
        known=known_level(len(windows)),
        kinds=verdicts_on_kinds(kind_effects(items, ratings, domain)),
    )


def median_rating(windows: Sequence[Window], domain: Domain) -> float:
    """`Facts.median` of windows, without the other facts."""
    scale = domain.scale
    ratings = [item["rating"] for window in windows for item in rated(window, domain)]
    return half_step(float(np.median(ratings)) if ratings else (scale.minimum + scale.maximum) / 2, scale)


def verdicts_on_kinds(effects: Sequence[KindEffect]) -> tuple[KindVerdict, ...]:
    """The kinds that are sure enough to be told; see `Facts.kinds`."""
    return tuple(KindVerdict(one.name, strength_of(one)) for one in told_effects(effects))


def told_effects(effects: Sequence[KindEffect]) -> list[KindEffect]:
    """The effects that are sure enough, at most `max_kinds` above and then as many below the rest.

    Args:
        effects: The surest first (`kind_effects`). Of kinds with mostly the same items, only the first is told.
    """

    def side(sign: int) -> list[KindEffect]:
        chosen: list[KindEffect] = []
        for one in effects:
            if sign * strength_of(one) > 0 and not any(_same(one.members, other.members) for other in chosen):
                chosen.append(one)
        return chosen[: EVIDENCE.max_kinds]

    return side(1) + side(-1)


def strength_of(effect: KindEffect) -> int:
    """`KindVerdict.strength`; 0 if the sign is not sure enough to be told."""
    size = CLEAR if effect.sure >= EVIDENCE.clear else HEDGED if effect.sure >= EVIDENCE.hedged else 0
    return size if effect.effect > 0 else -size


def known_level(windows: int) -> int:
    """`Facts.known` after so many windows."""
    return level_of(windows, EVIDENCE.known_starts)


def level_of(value: float, starts: Sequence[float]) -> int:
    """The level of a value: the number of starts (ascending) that it reaches."""
    return sum(value >= start for start in starts)


def rated(window: Window, domain: Domain) -> list[Mapping[str, Any]]:
    """The items of a window that have a rating."""
    return [item for item, real in zip(window, domain.is_rated(ratings_of(window)), strict=True) if real]


def ratings_of(items: Window) -> Floats:
    """The ratings of items; shape (items,)."""
    return np.array([item["rating"] for item in items], np.float64)


def _same(some: frozenset[int], others: frozenset[int]) -> bool:
    """Whether two kinds consist mostly of the same items, such as two words of one title."""
    return 2 * len(some & others) > len(some | others)
