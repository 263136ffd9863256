"""What is known of an item, in words behind its title in a predictor's prompt: its categories and its standing.

One line of a prompt for each kind of standing: many have rated the item, a few have, nobody has:

    "Heat (1995)" (Crime, Thriller); others rate it far above their usual
    "The Silent Harbour" (Mystery); a few others rate it below their usual
    "A new one"; others may rate it above their usual
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deeper.persona.evidence.kinds import category_kinds
from deeper.persona.recipe import RECIPE

ITEM_KNOWLEDGE = "item_knowledge"
"""The name of these words among the prompts that an adapter has learnt."""
STEPS = ("far below", "below", "slightly below", "about", "slightly above", "above", "far above")
ABOUT = STEPS[3]


@dataclass(frozen=True)
class Standing:
    """What others think of an item.

    Attributes:
        value: By how much they rate it above what they usually give, as a share of the scale's range; shrunk.
        ratings: How many of their ratings it rests on. 0 if only its words and categories suggest it.
    """

    value: float
    ratings: int


def beside_title(standing: Standing | None, categories: Sequence[str] = ()) -> str:
    """What a prompt says behind the title; nothing if nothing is known of the item.

    Args:
        standing: Its standing; None if nobody else's ratings are known.
        categories: Its categories; the first ones that can stand in a persona are said.
    """
    kinds = list(category_kinds(tuple(categories)).values())[: RECIPE.standing_categories]
    said = f" ({', '.join(kinds)})" if kinds else ""
    return said if standing is None else said + _standing_words(standing)


def _standing_words(standing: Standing) -> str:
    step = STEPS[round(3 + 3 * standing_step(standing.value))]
    if not standing.ratings:
        return "" if step == ABOUT else f"; others may rate it {step} their usual"
    who = "others" if standing.ratings >= RECIPE.standing_many_ratings else "a few others"
    return f"; {who} rate it {step} their usual"


def standing_step(value: float) -> float:
    """A standing as a prompt says it, in thirds from −1 (far below the others' usual) to 1 (far above it)."""
    near, middle, far = RECIPE.standing_cuts
    return float(np.searchsorted((-far, -middle, -near, near, middle, far), value, side="right")) / 3 - 1


def words_hash() -> str:
    """A hash of what is said of which standing, 8 hexadecimal digits; it changes with words, steps and cuts."""
    values = np.linspace(-0.2, 0.2, 401).round(3).tolist()
    said = [beside_title(Standing(value, ratings)) for value in values for ratings in range(50)]
    said += [beside_title(None, [*"ABCDEFGHI"])]
    return hashlib.blake2b(repr(said).encode(), digest_size=4).hexdigest()
