"""What is known of items: how others have rated them, and whether a persona names their kinds."""

from typing import Any

import numpy as np
import pytest
from training_cases import COVES, REEFS

from deeper.learning.examples.expected_ratings import ITEM_FEATURES
from deeper.learning.examples.item_standing import ItemStandings, features_of_titles, named_kinds, standings_of
from deeper.learning.examples.user_windows import UserWindows
from deeper.persona.evidence.facts import Facts, KindVerdict
from deeper.persona.item_knowledge.standing_words import STEPS
from deeper.persona.recipe import RECIPE

KNOWN = Facts(10, 4.0)
TASTE = Facts(10, 4.0, kinds=(KindVerdict("Lagoons", 2), KindVerdict("caves", 1), KindVerdict("cliffs", -2)))


def fan(user: str, liked: float) -> UserWindows:
    """Rates one item as given and two others as middling."""
    rated = {"Blue lagoon": liked, f"{user} one": 3.0, f"{user} two": 3.0}
    return UserWindows(COVES, user, [[{"title": title, "rating": rating} for title, rating in rated.items()]])


def titled(*titles: str) -> list[dict[str, Any]]:
    return [{"title": title} for title in titles]


@pytest.mark.parametrize("liked", [1.0, 2.0, 3.0, 4.0, 5.0])
@pytest.mark.parametrize("fans", [2, 7])
def test_a_standing_is_what_the_words_of_the_prompt_say(liked: float, fans: int) -> None:
    items = ItemStandings(COVES, [fan(f"u{n}", liked) for n in range(fans)])
    asked = titled("Blue lagoon", "u1 one", "never seen")
    for user in ("u0", "u1", "", "other"):
        for words, row in zip(items.words(asked, user), items.features(KNOWN, asked, user), strict=True):
            assert words == "" or words.endswith(f"{STEPS[round(3 + 3 * row[0])]} their usual")
            assert (row[0] == 0) <= (words == "" or "about" in words)
            assert row[1] == (row[0] if words.startswith("; others rate") else 0), "few say less than many"
    assert RECIPE.standing_many_ratings == 5


def test_a_rating_of_the_own_is_no_knowledge() -> None:
    items = ItemStandings(COVES, [fan("u0", 5.0), fan("u1", 5.0)])
    # What the user rated does not matter to what is known for the user.
    other = ItemStandings(COVES, [fan("u0", 1.0), fan("u1", 5.0)])
    asked = titled("Blue lagoon", "u0 one")
    assert np.array_equal(items.features(KNOWN, asked, "u0"), other.features(KNOWN, asked, "u0"))
    assert not np.array_equal(items.features(KNOWN, asked, "u1"), other.features(KNOWN, asked, "u1"))


def test_of_nobody_else_nothing_is_known() -> None:
    items = ItemStandings(COVES, [fan("u0", 5.0)])
    assert items.features(KNOWN, titled("Blue lagoon"), "u0").tolist() == [[0.0] * ITEM_FEATURES]
    assert items.words(titled("Blue lagoon"), "u0") == ("",)


def test_each_domain_has_its_own() -> None:
    reef = UserWindows(REEFS, "u0", [[{"title": "Blue lagoon", "rating": 1.0}, {"title": "x", "rating": 5.0}]])
    found = standings_of([fan("u0", 5.0), reef])
    words = {name: items.words(titled("Blue lagoon"), "") for name, items in found.items()}
    assert words == {
        "coves": ("; a few others rate it above their usual",),
        "reefs": ("; a few others rate it below their usual",),
    }


def test_named_kinds_count_by_certainty_and_side() -> None:
    asked = titled("Blue lagoons", "White cliffs", "Lagoons under cliffs", "Caves of lagoons", "The caves", "Sand")
    assert named_kinds(TASTE, asked, COVES).tolist() == [[1, 0], [-1, 0], [0, 0], [1, 1], [0, 1], [0, 0]]
    assert named_kinds(KNOWN, asked, COVES).tolist() == [[0, 0]] * 6
    assert named_kinds(TASTE, [], COVES).shape == (0, 2)


def test_categories_are_named_in_any_case() -> None:
    asked = [{"title": "Blue", "categories": ["LAGOONS", "Caves"]}, {"title": "Lagoons", "categories": ["Sand"]}]
    assert named_kinds(TASTE, asked, COVES).tolist() == [[1, 1], [0, 0]]


def test_a_prompt_with_titles_alone_knows_no_standing_and_no_category() -> None:
    items = ItemStandings(COVES, [fan(f"u{n}", 5.0) for n in range(7)])
    asked = [{"title": "Blue lagoon", "categories": ["Caves"]}, {"title": "Two lagoons", "categories": ["Cliffs"]}]
    assert features_of_titles(TASTE, asked, COVES).tolist() == [[0, 0, 0, 0], [0, 0, 1, 0]]
    known = items.features(TASTE, asked)
    assert known[0, 0] > 0 and known[:, 2:].tolist() == [[0, 1], [-1, 0]]
