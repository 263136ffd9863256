"""What is known of items: how others have rated them, and whether a persona tells of their kind."""

import numpy as np
from training_cases import COVES, REEFS

from deeper.learning.examples.item_standing import ItemStandings, standings_of
from deeper.learning.examples.user_windows import UserWindows
from deeper.persona.evidence.facts import Facts
from deeper.persona.item_knowledge.standings import Standings, given_by


def fan(user: str, liked: float) -> UserWindows:
    """Rates one item as given and two others as middling."""
    rated = {"Blue lagoon": liked, f"{user} one": 3.0, f"{user} two": 3.0}
    return UserWindows(COVES, user, [[{"title": title, "rating": rating} for title, rating in rated.items()]])


def titled(*titles: str) -> list[dict[str, str]]:
    return [{"title": title} for title in titles]


def test_the_standing_is_the_one_that_predictors_are_told() -> None:
    fans = [fan(f"u{n}", 5.0) for n in range(4)]
    items = ItemStandings(COVES, fans)
    told = Standings(given_by({one.user: one.windows for one in fans}, COVES), COVES)
    asked = titled("Blue lagoon", "u1 one", "never seen")
    for user in ("u0", "u1", "", "other"):
        expected = [one.value for one in told.of(asked, user) if one]
        assert items.features(Facts(10, 4.0), asked, user)[:, 0].tolist() == expected
        assert items.words(asked, user) == tuple(told.words(asked, user))
    assert items.features(Facts(10, 4.0), asked)[0, 0] > 0.015


def test_a_rating_of_the_own_is_no_knowledge() -> None:
    items = ItemStandings(COVES, [fan("u0", 5.0), fan("u1", 5.0)])
    # What the user rated does not matter to what is known for the user.
    other = ItemStandings(COVES, [fan("u0", 1.0), fan("u1", 5.0)])
    known, asked = Facts(10, 4.0), titled("Blue lagoon", "u0 one")
    assert np.array_equal(items.features(known, asked, "u0"), other.features(known, asked, "u0"))
    assert not np.array_equal(items.features(known, asked, "u1"), other.features(known, asked, "u1"))


def test_of_nobody_else_nothing_is_known() -> None:
    items = ItemStandings(COVES, [fan("u0", 5.0)])
    assert items.features(Facts(10, 4.0), titled("Blue lagoon"), "u0").tolist() == [[0.0, 0.0]]
    assert items.words(titled("Blue lagoon"), "u0") == ("",)


def test_each_domain_has_its_own() -> None:
    reef = UserWindows(REEFS, "u0", [[{"title": "Blue lagoon", "rating": 1.0}, {"title": "x", "rating": 5.0}]])
    found = standings_of([fan("u0", 5.0), reef])
    words = {name: items.words(titled("Blue lagoon"), "") for name, items in found.items()}
    assert words == {
        "coves": ("; a few others rate it above their usual",),
        "reefs": ("; a few others rate it below their usual",),
    }


def test_kinds_count_where_the_persona_tells_them() -> None:
    items = ItemStandings(COVES, [])
    known = Facts(10, 4.0, pleasing=("lagoons",), disappointing=("cliffs",))
    asked = titled("Blue lagoons", "White cliffs", "Lagoons under cliffs", "Sand")
    assert items.features(Facts(10, 4.0), asked)[:, 1].tolist() == [0, 0, 0, 0]
    found = items.features(known, asked)
    assert found[:, 1].tolist() == [1, -1, 0, 0]
    assert np.array_equal(items.features(known, []), np.empty((0, 2)))
