"""What a user's ratings show, in the coarse levels that words can tell."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from persona_cases import items, sorted_items

from deeper.domains import Domain, Scale
from deeper.persona.evidence.facts import (
    Facts,
    KindVerdict,
    Window,
    facts_of,
    known_level,
    level_of,
    median_rating,
    strength_of,
    told_effects,
)
from deeper.persona.evidence.kind_effects import KindEffect
from deeper.persona.evidence.recipe import EVIDENCE

STARS = Domain("stars", "Stars", "stone", Scale(1, 5, 1), unrated=(0,))
HALVES = Domain("halves", "Halves", "film", Scale(0.5, 5, 0.5))


def window(ratings: Sequence[float]) -> Window:
    return items(["A Thing"] * len(ratings), ratings)


def effect(name: str, size: float, sure: float, members: Sequence[int] = ()) -> KindEffect:
    return KindEffect(name, size, sure, 3, frozenset(members or [ord(name[0])]))


@pytest.mark.parametrize(
    ("ratings", "domain", "median"),
    [([4, 5], STARS, 4.5), ([4, 4, 5], STARS, 4.0), ([3.5, 4], HALVES, 3.75), ([0, 0, 2], STARS, 2.0)],
)
def test_the_median_is_told_to_half_a_step(ratings: list[float], domain: Domain, median: float) -> None:
    assert facts_of([window(ratings)], domain).median == median_rating([window(ratings)], domain) == median


def test_ratings_that_mean_none_are_left_out() -> None:
    some = [window([0, 4, 0, 5]), window([0, 0]), window([0, 3])]
    assert facts_of(some, STARS) == facts_of([window([4, 5]), window([3]), []], STARS)
    assert facts_of([window([0, 0])], STARS) == facts_of([], STARS) == Facts(0, 3.0)
    assert median_rating([window([0, 0])], STARS) == median_rating([], STARS) == 3.0


@pytest.mark.parametrize(
    ("ratings", "spread"),
    [([4] * 10, 0), ([4] * 7 + [5] * 3, 1), ([4] * 5 + [5] * 5, 2), ([1, 3, 3, 5, 4, 2, 1, 5, 3, 3], 3)],
)
def test_the_spread_is_a_level_of_the_mean_deviation(ratings: list[float], spread: int) -> None:
    share = float(np.abs(np.array(ratings) - np.median(ratings)).mean()) / 4
    assert facts_of([window(ratings)], STARS).spread == level_of(share, EVIDENCE.spread_starts) == spread


@pytest.mark.parametrize(("share", "best", "worst"), [(0, 0, 0), (1, 1, 1), (4, 2, 2), (10, 3, 3), (20, 3, 3)])
def test_extremes_are_levels_of_their_shares(share: int, best: int, worst: int) -> None:
    rest = [3] * (20 - share)
    assert facts_of([window([5] * share + rest)], STARS).best == best
    assert facts_of([window([2] * share + rest)], STARS).worst == worst, "the lowest quarter counts"
    assert facts_of([window([4] * share + rest)], STARS).best == facts_of([window(rest)], STARS).best == 0


def test_how_long_a_user_is_known_counts_windows() -> None:
    found = [facts_of([window([4, 3])] * count, STARS).known for count in range(1, 7)]
    assert found == [known_level(count) for count in range(1, 7)] == [0, 1, 1, 2, 2, 2]


def test_facts_of_windows_tell_no_change_since_an_update_alone_knows_one() -> None:
    assert facts_of([window([1, 1, 1]), window([5, 5, 5])], STARS).drift == 0


@pytest.mark.parametrize(
    ("size", "sure", "strength"),
    [(0.5, 0.95, 2), (0.5, 0.9, 2), (0.5, 0.89, 1), (0.5, 0.75, 1), (0.5, 0.74, 0), (-0.1, 0.9, -2), (-0.1, 0.8, -1)],
)
def test_a_kind_is_clear_hedged_or_untold_by_the_certainty_of_its_sign(size: float, sure: float, strength: int) -> None:
    assert strength_of(effect("a", size, sure)) == strength


def test_kinds_are_told_above_then_below_and_the_surest_first() -> None:
    window = sorted_items(("Crime", [5] * 5), ("War", [5] * 3), ("", [3] * 4), ("Musical", [1] * 5), ("Opera", [1, 2]))
    told = facts_of([window], STARS).kinds
    assert told == (
        KindVerdict("Crime", 2),
        KindVerdict("War", 2),
        KindVerdict("Musical", -2),
        KindVerdict("Opera", -2),
    )


def test_few_weak_ratings_tell_of_no_kind() -> None:
    assert facts_of([sorted_items(("Crime", [4, 4]), ("War", [3, 4]), ("", [4, 3, 4]))], STARS).kinds == ()


def test_each_side_has_a_limit_of_its_own() -> None:
    above = [effect(name, 0.5, 0.99) for name in "abcdef"]
    below = [effect(name, -0.5, 0.95) for name in "uvwxyz"]
    told = told_effects([*above, *below])
    assert told == [*above[: EVIDENCE.max_kinds], *below[: EVIDENCE.max_kinds]]
    assert told_effects([effect("a", 0.5, 0.7)]) == []


def test_of_kinds_with_mostly_the_same_items_the_surest_is_told() -> None:
    first, same, half = effect("a", 1, 0.99, [1, 2, 3]), effect("b", 1, 0.98, [1, 2]), effect("c", 1, 0.97, [3, 4, 5])
    opposite = effect("d", -1, 0.96, [1, 2, 3])
    assert told_effects([first, same, half, opposite]) == [first, half, opposite]
    unsure = effect("e", 1, 0.7, [1, 2])
    assert told_effects([unsure, same]) == [same], "what is not told hides nothing"


def test_words_of_titles_and_eras_are_told_as_kinds() -> None:
    liked = [
        *(f"{word} (1951)" for word in ("Lamp", "Hollow", "Ferry")),
        *(f"Brook {n} (1994)" for n in ("a", "b", "c")),
    ]
    disliked = [f"{word} (2005)" for word in ("Kiln", "Gravel", "Marl", "Slate")] + ["Gneiss (1993)", "Basalt (1995)"]
    found = facts_of([items([*liked, *disliked], [5.0] * 6 + [1.0] * 6)], HALVES).kinds
    assert found == (KindVerdict("brook", 2), KindVerdict("old films", 2), KindVerdict("newer films", -2))


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=10), max_size=6))
def test_facts_stay_in_their_ranges(ratings: list[list[int]]) -> None:
    found = facts_of([window([float(value) for value in some]) for some in ratings], STARS)
    real = [value for some in ratings for value in some if value]
    assert found.count == len(real)
    assert found.median == (np.median(real) if real else 3)
    assert {found.spread, found.best, found.worst} <= {0, 1, 2, 3}
    assert found.known in (0, 1, 2) and found.drift == 0
