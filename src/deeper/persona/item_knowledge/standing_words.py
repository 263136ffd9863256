"""The words for an item's standing, behind its title in a predictor's prompt.

One line of a prompt for each kind of standing: many have rated the item, a few have, nobody has:

    "Heat (1995)"; others rate it far above their usual
    "The Silent Harbour"; a few others rate it below their usual
    "A new one"; others may rate it above their usual
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from deeper.persona.recipe import RECIPE

ITEM_KNOWLEDGE = "item_knowledge"
"""The name of these words among the prompts that an adapter has learnt."""
STEPS = ("far below", "below", "about", "above", "far above")
ABOUT = STEPS[2]


@dataclass(frozen=True)
class Standing:
    """What others think of an item.

    Attributes:
        value: By how much they rate it above what they usually give, as a share of the scale's range; shrunk.
        ratings: How many of their ratings it rests on. 0 if only its words and categories suggest it.
    """

    value: float
    ratings: int


def beside_title(standing: Standing) -> str:
    """What a prompt says behind the title; nothing if nobody has rated the item and nothing is suggested."""
    near, far = RECIPE.standing_cuts
    step = STEPS[int(np.searchsorted((-far, -near, near, far), standing.value, side="right"))]
    if not standing.ratings:
        return "" if step == ABOUT else f"; others may rate it {step} their usual"
    who = "others" if standing.ratings >= RECIPE.standing_many_ratings else "a few others"
    return f"; {who} rate it {step} their usual"


def words_hash() -> str:
    """A hash of what is said of which standing, 8 hexadecimal digits; it changes with words, steps and cuts."""
    values = np.linspace(-0.2, 0.2, 401).round(3).tolist()
    said = [beside_title(Standing(value, ratings)) for value in values for ratings in range(50)]
    return hashlib.blake2b(repr(said).encode(), digest_size=4).hexdigest()
