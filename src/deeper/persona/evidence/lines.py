"""Evidence as lines of a prompt. A small model copies what it is told; it neither counts nor weighs.

    verdicts vary noticeably, highest often, lowest never; this person is new
    clearly above the rest: Crime (great, from seven), War (great, from four)
    perhaps below the rest: Comedy (fair, from five)

Of a refinement, the kinds are those that were predicted wrong, which is the direction of the errors:

    clearly predicted too low: Crime (great, from seven)
"""

from collections.abc import Sequence

import numpy as np

from deeper.domains import Domain
from deeper.domains.levels import verdict_words
from deeper.persona.evidence.facts import (
    CLEAR,
    HEDGED,
    Facts,
    Window,
    facts_of,
    known_level,
    rated,
    ratings_of,
    strength_of,
    told_effects,
)
from deeper.persona.evidence.kind_effects import KindEffect, kind_effects

SPREAD = ("hardly vary", "vary slightly", "vary noticeably", "vary hugely")
OFTEN = ("never", "seldom", "often", "mostly")
KNOWN = ("new", "known for a while", "long known")
SURE = {CLEAR: "clearly", HEDGED: "perhaps"}
SIDES = {"ratings": ("above the rest", "below the rest"), "errors": ("predicted too low", "predicted too high")}
# fmt: off
COUNTS = (
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)
# fmt: on


def evidence_lines(windows: Sequence[Window], domain: Domain, known_windows: int) -> list[str]:
    """Say what ratings show.

    Args:
        windows: The windows that the prompt shows.
        domain: Their domain.
        known_windows: Windows that the user has had so far, shown or not.

    Returns:
        A line for how ratings lie, then one for each side and certainty of kinds; none without a rating.
    """
    known = facts_of(windows, domain)
    if not known.count:
        return []
    items = [item for window in windows for item in rated(window, domain)]
    ratings = ratings_of(items)
    kinds = _kind_lines(kind_effects(items, ratings, domain), items, domain, "ratings")
    return [_level_line(known, known_windows), *kinds]


def error_lines(window: Window, predicted: Sequence[float] | None, domain: Domain, known_windows: int) -> list[str]:
    """Say what ratings show beside their predictions; without predictions, as `evidence_lines`.

    Args:
        window: W_t.
        predicted: Predicted points of W_t, which are rounded to the scale; None without a prediction.
        domain: Their domain.
        known_windows: Windows that the user has had so far.
    """
    if predicted is None:
        return evidence_lines([window], domain, known_windows)
    known = facts_of([window], domain)
    if not known.count:
        return []
    kinds = _kind_lines(error_effects(window, predicted, domain), rated(window, domain), domain, "errors")
    return [_level_line(known, known_windows), *kinds]


def error_effects(window: Window, predicted: Sequence[float], domain: Domain) -> list[KindEffect]:
    """The effects of kinds on actual minus predicted ratings; arguments as for `error_lines`."""
    real = domain.is_rated(ratings_of(window))
    items = [item for item, has_rating in zip(window, real, strict=True) if has_rating]
    points = domain.scale.round(np.array(predicted, np.float64))
    return kind_effects(items, ratings_of(items) - points[real], domain)


def _level_line(known: Facts, known_windows: int) -> str:
    extremes = f"highest {OFTEN[known.best]}, lowest {OFTEN[known.worst]}"
    return f"verdicts {SPREAD[known.spread]}, {extremes}; this person is {KNOWN[known_level(known_windows)]}"


def _kind_lines(effects: Sequence[KindEffect], items: Window, domain: Domain, source: str) -> list[str]:
    """A line for each side and degree of certainty: clearly above, perhaps above, perhaps below, clearly below."""
    above, below = SIDES[source]
    ratings, told = ratings_of(items), told_effects(effects)
    lines: list[str] = []
    for strength in (CLEAR, HEDGED, -HEDGED, -CLEAR):
        chosen = [one for one in told if strength_of(one) == strength]
        verdicts = [verdict_words(float(ratings[sorted(one.members)].mean()), domain.scale) for one in chosen]
        named = [f"{one.name} ({verdict}, {_from(one.titles)})" for one, verdict in zip(chosen, verdicts, strict=True)]
        if named:
            lines.append(f"{SURE[abs(strength)]} {above if strength > 0 else below}: {', '.join(named)}")
    return lines


def _from(titles: int) -> str:
    return f"from {COUNTS[titles - 2] if titles - 2 < len(COUNTS) else 'many'}"
