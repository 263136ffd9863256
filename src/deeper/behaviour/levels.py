"""Levels of a scale in words, to half a step.

A scale's values are spread over a ladder of ten rungs, so that a word means the same share of every scale; a level
between two values is told by the words of both.
"""

import numpy as np

from deeper.domains import Scale

LADDER = ("dreadful", "awful", "bad", "poor", "mediocre", "fair", "decent", "good", "great", "superb")
"""Verdicts from the lowest to the highest; a shorter scale takes some of them, evenly."""


def rung_indices(scale: Scale) -> list[int]:
    """The rungs that name a scale's values, evenly spread over the ladder.

    Returns:
        Ascending positions in `LADDER`; one for each value, or all rungs if the scale has more values than that.
    """
    count = min(len(scale.values), len(LADDER))
    return [int(rung) for rung in np.floor(np.linspace(0, len(LADDER) - 1, count) + 0.5)]


def verdict_rungs(rating: float, scale: Scale) -> tuple[int, int]:
    """The rungs between which a rating lies; twice the same if it is on one. Off the scale, its nearest end."""
    rungs = rung_indices(scale)
    share = (rating - scale.minimum) / (scale.maximum - scale.minimum)
    halves = int(np.clip(np.floor(share * (len(rungs) - 1) * 2 + 0.5), 0, 2 * len(rungs) - 2))
    low, between = divmod(halves, 2)
    return rungs[low], rungs[low + between]


def verdict_words(rating: float, scale: Scale) -> str:
    """A rating in words, to half a step: "good", "between good and great"; off the scale, its nearest end."""
    low, high = verdict_rungs(rating, scale)
    return LADDER[low] if low == high else f"between {LADDER[low]} and {LADDER[high]}"


def verdicts(scale: Scale) -> list[tuple[str, str]]:
    """Labels of a scale, each with its words; of a scale of many labels some, evenly spread, with both ends."""
    last = len(scale.values) - 1
    places = np.floor(np.linspace(0, last, min(last, len(LADDER)) + 1) + 0.5).astype(int).tolist()
    return [(scale.labels[place], verdict_words(float(scale.values[place]), scale)) for place in places]


def half_step(rating: float, scale: Scale) -> float:
    """The nearest half step of the scale (halves up), within the scale."""
    halves = np.floor((rating - scale.minimum) / scale.step * 2 + 0.5)
    return float(np.clip(scale.minimum + halves * scale.step / 2, scale.minimum, scale.maximum))


def halfway(old: float, new: float, scale: Scale) -> float:
    """The half step in the middle between two ratings; of two that are as near, the one towards the new rating.

    Were all halves taken upwards, a level that is moved again and again would climb.
    """
    halves = round(((old + new) / 2 - scale.minimum) / scale.step * 2, 6)
    nearest = np.ceil(halves - 0.5) if new < old else np.floor(halves + 0.5)
    return float(np.clip(scale.minimum + nearest * scale.step / 2, scale.minimum, scale.maximum))
