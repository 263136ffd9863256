"""Users with stronger tastes than real ones, to teach a policy what it says of them.

Ten real ratings hardly ever show a kind that is clearly liked, so a policy that learns from them alone would learn to
say nothing of kinds. Here some kinds of a real user's items are rated higher or lower. Items without categories get
some that are made up. A policy only repeats the names of kinds, so it need not fit the titles.
"""

from collections.abc import Sequence
from random import Random

import numpy as np

from deeper.domains import Domain
from deeper.learning.examples.recipe import LESSONS
from deeper.persona.evidence.facts import Window
from deeper.persona.evidence.kinds import kinds_of

_MADE_KINDS = """
Thai|Italian|Mexican|Indian|Sushi|Steakhouse|Vegan|Bakery|Barbecue|Seafood|Ramen|Greek|Korean|Ethiopian|Brunch|
Desserts|Soups|Salads|Pasta|Bread|Cookies|Casseroles|Breakfast|Vegetarian|Low-Fat|Slow Cooker|Appetizers|Chicken|
Beef|Pork|Curry|Pies|Smoothies|Jazz|Opera|Hip Hop|Folk|Techno|Blues|Country|Classical|Punk|Reggae|Mystery Novels|
Poetry|Memoirs|History|Science|Travel|Cookbooks|Crime Novels|Short Stories|Essays|Philosophy|Self-Help|Manga|
Historical Fiction|Action|Adventure|Animation|Crime|Documentary|Drama|Fantasy|Film-Noir|Horror|Musical|Romance|
Sci-Fi|Thriller|War|Western|Sneakers|Boots|Dresses|Jackets|Jewelry|Handbags|Watches|Sportswear|Jeans|Scarves|Socks|
Hats|Swimwear|Camping|Cycling|Fishing|Yoga|Climbing|Running|Golf|Yarn|Painting|Beads|Quilting|Paper Crafts|Museums|
Parks|Theatres|Hotels|Cafes|Bars|Bookshops|Gyms|Salons|Garden Tools|Lighting|Tea|Coffee|Snacks|Spices|Puzzles|
Board Games|Card Games|Strategy|Platformers|Racing|Simulation|Tools|Tires|Wipers|Audio
"""
MADE_KINDS = tuple(kind.strip() for kind in _MADE_KINDS.split("|"))
"""Kinds of items without categories."""


def with_strong_taste(windows: Sequence[Window], domain: Domain, rng: Random) -> Sequence[Window]:
    """The windows with some kinds rated higher, and some lower.

    Args:
        windows: The windows of a user.
        domain: Their domain.
        rng: Chooses kinds and by how much.
    """
    named = [[dict(item) for item in window] for window in windows]
    if not any(item.get("categories") for window in named for item in window):
        pool = rng.sample(MADE_KINDS, rng.randint(*LESSONS.made_kinds))
        for window in named:
            for item in window:
                item["categories"] = rng.sample(pool, 1 if rng.random() < LESSONS.single_kind_share else 2)
    items = [item for window in named for item in window]
    of_item = kinds_of(items, domain)
    kinds = sorted({key for kinds in of_item for key in kinds})
    chosen = rng.sample(kinds, min(len(kinds), rng.randint(*LESSONS.strong_kinds)))
    span = domain.scale.maximum - domain.scale.minimum
    shift = {key: rng.choice((-1, 1)) * rng.uniform(*LESSONS.strong_effects) * span for key in chosen}
    for item, own in zip(items, of_item, strict=True):
        if item["rating"] not in domain.unrated:
            moved = item["rating"] + sum(shift.get(key, 0.0) for key in sorted(own))
            item["rating"] = float(domain.scale.round(np.array([moved]))[0])
    return named
