"""What is known of items: how others have rated them, and whether a persona tells of their kind."""

import numpy as np
import pytest
from training_cases import COVES

from deeper.learning.describer.facts import Facts
from deeper.learning.examples.item_evidence import LEAST, SHRINKAGE, Items
from deeper.learning.examples.moments import Person

SPAN = COVES.scale.maximum - COVES.scale.minimum


def fan(user: str, liked: float) -> Person:
    """Rates one item as given and two others as middling."""
    rated = {"Blue lagoon": liked, f"{user} one": 3.0, f"{user} two": 3.0}
    return Person(COVES, user, [[{"title": title, "rating": rating} for title, rating in rated.items()]])


def test_an_effect_is_the_shrunk_mean_of_what_others_give_above_their_own_mean() -> None:
    people = [fan(f"u{n}", 5.0) for n in range(LEAST + 1)]
    items = Items(COVES, people)
    above = (5 - 11 / 3) / SPAN
    count = LEAST + 1
    assert items.effect("Blue lagoon") == pytest.approx(count * above / (count + SHRINKAGE))
    assert items.effect("Blue lagoon", "u0") == pytest.approx(LEAST * above / (LEAST + SHRINKAGE))


def test_a_rating_of_the_own_is_no_knowledge_and_few_ratings_are_none() -> None:
    people = [fan(f"u{n}", 5.0) for n in range(LEAST)]
    items = Items(COVES, people)
    assert items.effect("Blue lagoon") > 0
    assert items.effect("Blue lagoon", "u0") == items.effect("u1 one") == items.effect("never seen") == 0
    # What the user rated does not matter to what is known for the user.
    other = Items(COVES, [*people[1:], fan("u0", 1.0)])
    assert items.effect("Blue lagoon", "u0") == other.effect("Blue lagoon", "u0")


def test_ratings_that_mean_none_are_none() -> None:
    assert COVES.unrated
    people = [fan(f"u{n}", COVES.unrated[0]) for n in range(2 * LEAST)]
    assert Items(COVES, people).effect("Blue lagoon") == 0


def test_kinds_count_where_the_persona_tells_them() -> None:
    items = Items(COVES, [])
    known = Facts(10, 4.0, pleasing=("lagoons",), disappointing=("cliffs",))
    titles = ["Blue lagoons", "White cliffs", "Lagoons under cliffs", "Sand"]
    assert items.features(Facts(10, 4.0), titles)[:, 1].tolist() == [0, 0, 0, 0]
    found = items.features(known, titles)
    assert found[:, 1].tolist() == [1, -1, 0, 0]
    assert np.array_equal(items.features(known, []), np.empty((0, 2)))
