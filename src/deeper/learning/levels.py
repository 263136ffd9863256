"""Words for the levels of a scale, to half a step.

A scale's values are spread over a ladder of ten rungs, so that a word means the same share of every scale; a median
between two values is told by the words of both.
"""

import numpy as np

from deeper.behaviour.planted_words import LADDER
from deeper.domains import Scale

SYNONYMS = {
    "dreadful": ("abysmal", "atrocious"),
    "awful": ("terrible", "horrible"),
    "bad": ("lousy", "dismal"),
    "poor": ("weak", "feeble"),
    "mediocre": ("so-so", "lacklustre"),
    "fair": ("passable", "acceptable"),
    "decent": ("respectable", "satisfactory"),
    "good": ("solid", "pleasant"),
    "great": ("excellent", "impressive"),
    "superb": ("perfect", "flawless"),
}
"""Other words for each rung of the ladder."""

RUNGS = tuple((word, *SYNONYMS[word]) for word in LADDER)
"""The words of each rung, from the lowest to the highest."""


def rung_indices(scale: Scale) -> list[int]:
    """The rungs that name a scale's values, evenly spread over the ladder.

    Returns:
        Ascending positions in `RUNGS`; one for each value, or all rungs if the scale has more values than that.
    """
    count = min(len(scale.values), len(RUNGS))
    return [int(rung) for rung in np.floor(np.linspace(0, len(RUNGS) - 1, count) + 0.5)]


def verdict_rungs(median: float, scale: Scale) -> tuple[int, int]:
    """The rungs of `RUNGS` between which a median lies; twice the same if it is on one."""
    rungs = rung_indices(scale)
    share = (median - scale.minimum) / (scale.maximum - scale.minimum)
    low, between = divmod(int(share * (len(rungs) - 1) * 2 + 0.5), 2)
    return rungs[low], rungs[low + between]


def half_step(rating: float, scale: Scale) -> float:
    """The nearest half step of the scale (halves up), within the scale."""
    halves = np.floor((rating - scale.minimum) / scale.step * 2 + 0.5)
    return float(np.clip(scale.minimum + halves * scale.step / 2, scale.minimum, scale.maximum))
