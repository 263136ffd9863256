"""What is known of items: how others have rated them, and whether a persona tells of their kind."""

import numpy as np
import pytest
from training_cases import COVES

from deeper.learning.describer.facts import Facts
from deeper.learning.examples.item_standing import ItemStandings
from deeper.learning.examples.recipe import READINGS
from deeper.learning.examples.user_windows import UserWindows

SPAN = COVES.scale.maximum - COVES.scale.minimum


def fan(user: str, liked: float) -> UserWindows:
    """Rates one item as given and two others as middling."""
    rated = {"Blue lagoon": liked, f"{user} one": 3.0, f"{user} two": 3.0}
    return UserWindows(COVES, user, [[{"title": title, "rating": rating} for title, rating in rated.items()]])


def test_an_effect_is_the_shrunk_mean_of_what_others_give_above_their_own_mean() -> None:
    fans = [fan(f"u{n}", 5.0) for n in range(READINGS.standing_min_ratings + 1)]
    items = ItemStandings(COVES, fans)
    above = (5 - 11 / 3) / SPAN
    count = READINGS.standing_min_ratings + 1
    assert items.standing("Blue lagoon") == pytest.approx(count * above / (count + READINGS.standing_shrinkage_ratings))
    assert items.standing("Blue lagoon", "u0") == pytest.approx(
        READINGS.standing_min_ratings * above / (READINGS.standing_min_ratings + READINGS.standing_shrinkage_ratings)
    )


def test_a_rating_of_the_own_is_no_knowledge_and_few_ratings_are_none() -> None:
    fans = [fan(f"u{n}", 5.0) for n in range(READINGS.standing_min_ratings)]
    items = ItemStandings(COVES, fans)
    assert items.standing("Blue lagoon") > 0
    assert items.standing("Blue lagoon", "u0") == items.standing("u1 one") == items.standing("never seen") == 0
    # What the user rated does not matter to what is known for the user.
    other = ItemStandings(COVES, [*fans[1:], fan("u0", 1.0)])
    assert items.standing("Blue lagoon", "u0") == other.standing("Blue lagoon", "u0")


def test_ratings_that_mean_none_are_none() -> None:
    assert COVES.unrated
    fans = [fan(f"u{n}", COVES.unrated[0]) for n in range(2 * READINGS.standing_min_ratings)]
    assert ItemStandings(COVES, fans).standing("Blue lagoon") == 0


def test_kinds_count_where_the_persona_tells_them() -> None:
    items = ItemStandings(COVES, [])
    known = Facts(10, 4.0, pleasing=("lagoons",), disappointing=("cliffs",))
    titles = ["Blue lagoons", "White cliffs", "Lagoons under cliffs", "Sand"]
    assert items.features(Facts(10, 4.0), titles)[:, 1].tolist() == [0, 0, 0, 0]
    found = items.features(known, titles)
    assert found[:, 1].tolist() == [1, -1, 0, 0]
    assert np.array_equal(items.features(known, []), np.empty((0, 2)))
