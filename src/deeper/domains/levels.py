"""Put levels of a scale into words, to half a step.

A scale's values are spread over a ladder of ten words, so a word means the same share of every scale. A level between
two values gets the words of both.
"""

import numpy as np

from deeper.domains import Scale

LADDER = ("dreadful", "awful", "bad", "poor", "mediocre", "fair", "decent", "good", "great", "superb")
"""Words from the lowest to the highest level; a shorter scale uses some of them, evenly spread."""


def rung_indices(scale: Scale) -> list[int]:
    """Return the positions in `LADDER` that name a scale's values, evenly spread and ascending.

    There is one for each value; a scale with more values than words uses all words.
    """
    count = min(len(scale.values), len(LADDER))
    return [int(rung) for rung in np.floor(np.linspace(0, len(LADDER) - 1, count) + 0.5)]


def verdict_rungs(rating: float, scale: Scale) -> tuple[int, int]:
    """Return the two positions in `LADDER` around a rating, equal if it is on one; off the scale, the nearest end."""
    rungs = rung_indices(scale)
    share = (rating - scale.minimum) / (scale.maximum - scale.minimum)
    halves = int(np.clip(np.floor(share * (len(rungs) - 1) * 2 + 0.5), 0, 2 * len(rungs) - 2))
    low, between = divmod(halves, 2)
    return rungs[low], rungs[low + between]


def verdict_words(rating: float, scale: Scale) -> str:
    """Return a rating in words: "good", "between good and great"; off the scale, the nearest end."""
    return _words(*verdict_rungs(rating, scale))


def share_words(share: float) -> str:
    """Return a share of any scale (0 its lowest, 1 its highest value) in words of the whole ladder."""
    last = len(LADDER) - 1
    low, between = divmod(int(np.clip(np.floor(share * last * 2 + 0.5), 0, 2 * last)), 2)
    return _words(low, low + between)


def words_share(words: str) -> float | None:
    """Return the share of a scale that words of the ladder mean; None for other words."""
    parts = words.removeprefix("between ").split(" and ")
    if any(part not in LADDER for part in parts):
        return None
    return float(np.mean([LADDER.index(part) for part in parts])) / (len(LADDER) - 1)


def verdicts(scale: Scale) -> list[tuple[str, str]]:
    """Return the labels of a scale with their words; for many labels, an even selection with both ends."""
    last = len(scale.values) - 1
    places = np.floor(np.linspace(0, last, min(last, len(LADDER)) + 1) + 0.5).astype(int).tolist()
    return [(scale.labels[place], verdict_words(float(scale.values[place]), scale)) for place in places]


def half_step(rating: float, scale: Scale) -> float:
    """Return the nearest half step of the scale (ties go up), within the scale."""
    halves = np.floor((rating - scale.minimum) / scale.step * 2 + 0.5)
    return float(np.clip(scale.minimum + halves * scale.step / 2, scale.minimum, scale.maximum))


def _words(low: int, high: int) -> str:
    return LADDER[low] if low == high else f"between {LADDER[low]} and {LADDER[high]}"
