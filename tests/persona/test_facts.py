import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeper.domains import Domain, Scale
from deeper.domains.level_words import LEVEL_WORDS
from deeper.domains.levels import LADDER, half_step, halfway, rung_indices, verdict_rungs
from deeper.persona.evidence.facts import Facts, Window, facts_of, median_rating
from deeper.persona.evidence.kinds import plural, title_kinds

STARS = Domain("stars", "Stars", "stone", Scale(1, 5, 1), unrated=(0,))
HALVES = Domain("halves", "Halves", "film", Scale(0.5, 5, 0.5))


def window(ratings: list[float], title: str = "A Thing") -> Window:
    return [{"item": "x", "title": title, "categories": [], "rating": rating, "time": None} for rating in ratings]


def rated(titles: dict[str, float]) -> Window:
    return [
        {"item": title, "title": title, "categories": [], "rating": rating, "time": None}
        for title, rating in titles.items()
    ]


def test_the_numbers_of_a_window() -> None:
    found = facts_of([window([1, 2, 4, 5, 5, 5, 5, 5])], STARS)
    assert found == Facts(8, 5.0, spread=8 / 8 / 4, lean=-3 / 8, best=5 / 8, worst=2 / 8)


@pytest.mark.parametrize(
    ("ratings", "domain", "median"),
    [([4, 5], STARS, 4.5), ([4, 4, 5], STARS, 4.0), ([3.5, 4], HALVES, 3.75), ([0, 0, 2], STARS, 2.0)],
)
def test_the_median_is_told_to_half_a_step(ratings: list[float], domain: Domain, median: float) -> None:
    assert facts_of([window(ratings)], domain).median == median_rating([window(ratings)], domain) == median


def test_ratings_that_mean_none_are_left_out() -> None:
    some = [window([0, 4, 0, 5]), window([0, 0]), window([0, 3])]
    assert facts_of(some, STARS) == facts_of([window([4, 5]), window([3])], STARS)
    assert facts_of([window([0, 0])], STARS) == facts_of([], STARS) == Facts(0, 3.0)
    assert median_rating([window([0, 0])], STARS) == median_rating([], STARS) == 3.0


@pytest.mark.parametrize(
    ("windows", "sign"),
    [
        ([[2, 3, 2, 3], [5, 4, 5, 5]], 1),
        ([[5, 4, 5, 5], [5, 5, 4, 5], [2, 3, 2, 3]], -1),
        ([[2, 3, 4, 5], [5, 4, 3, 3]], 0),
        ([[4, 4, 4], [4, 4, 4]], 0),
    ],
)
def test_a_change_counts_if_it_is_more_than_noise(windows: list[list[float]], sign: int) -> None:
    drift = facts_of([window(ratings) for ratings in windows], STARS).drift
    assert drift is not None
    assert np.sign(drift) == sign


def test_one_window_with_ratings_shows_no_change() -> None:
    assert facts_of([window([0, 0]), window([1, 5, 3])], STARS).drift is None


def test_kinds_that_please_and_kinds_that_disappoint() -> None:
    titles = {f"Mossy Stone {word}": 5.0 for word in "abc"} | {f"Chalky Stone {word}": 2.0 for word in "abc"}
    found = facts_of([rated({**titles, "Slate": 3.0, "Gneiss": 4.0})], STARS)
    assert found.pleasing == ("mossy",)
    assert found.disappointing == ("chalky",)


def test_a_kind_needs_several_titles_and_is_told_once() -> None:
    twice = {"Mossy Brook a": 5.0, "Mossy Brook b": 5.0, "Slate": 2.0, "Gneiss": 2.0, "Marl": 3.0}
    repeated = [rated(twice), rated({"Mossy Brook b": 5.0})]
    assert facts_of(repeated, STARS).pleasing == ()
    thrice = [rated(twice), rated({"Mossy Brook c": 5.0})]
    assert facts_of(thrice, STARS).pleasing == ("brook",)


def test_eras_are_kinds() -> None:
    liked = {"Brook (1941)": 5.0, "Hill (1955)": 5.0, "Lamp (1979)": 5.0}
    found = facts_of([rated({**liked, "Kiln (2001)": 2.0, "Hill (2009)": 2.0, "Ferry (2020)": 2.0})], HALVES)
    assert found.pleasing == ("old films",)
    assert found.disappointing == ("newer films",)


@pytest.mark.parametrize(
    ("title", "kinds"),
    [
        ("The Mossy Brooks", {"mossy", "brook"}),
        ("Moss's Brook II: The Best of Two Stars", {"moss", "brook"}),
        ("Five Perfect DVD Days (1985)", {"day", "films of the eighties"}),
        ("Glass, 1985", {"glass"}),
        ("Straße 12x a bc", set()),
        ("", set()),
    ],
)
def test_the_kinds_of_a_title(title: str, kinds: set[str]) -> None:
    assert set(title_kinds(title, HALVES)) == kinds


@pytest.mark.parametrize(
    ("noun", "nouns"),
    [("film", "films"), ("movie or TV show", "movies or TV shows"), ("story", "stories"), ("dish", "dishes")],
)
def test_the_plural_of_a_noun(noun: str, nouns: str) -> None:
    assert plural(noun) == nouns


@pytest.mark.parametrize(
    "scale", [Scale(1, 5, 1), Scale(0.5, 5, 0.5), Scale(0, 1, 1), Scale(1, 10, 1), Scale(-3, 3, 1)]
)
def test_every_half_step_has_rungs_of_its_own(scale: Scale) -> None:
    halves = np.arange(scale.minimum, scale.maximum + scale.step / 4, scale.step / 2)
    rungs = [verdict_rungs(float(half), scale) for half in halves]
    assert rungs == sorted(set(rungs))
    assert rungs[0] == (0, 0)
    assert rungs[-1] == (len(LEVEL_WORDS) - 1, len(LEVEL_WORDS) - 1)
    assert [low for low, high in rungs if low == high] == rung_indices(scale)


def test_a_finer_scale_shares_the_rungs_in_order() -> None:
    scale = Scale(0, 100, 1)
    rungs = [verdict_rungs(half / 2, scale) for half in range(201)]
    assert rungs == sorted(rungs)
    assert len(set(rungs)) == 2 * len(LEVEL_WORDS) - 1


def test_the_words_of_a_rung_are_its_own() -> None:
    words = [word for rung in LEVEL_WORDS for word in rung]
    assert len(set(words)) == len(words)
    assert tuple(rung[0] for rung in LEVEL_WORDS) == LADDER
    assert min(map(len, LEVEL_WORDS)) >= 3


@given(st.floats(-10, 20), st.sampled_from([STARS.scale, HALVES.scale]))
def test_a_half_step_is_the_nearest_on_the_scale(rating: float, scale: Scale) -> None:
    half = half_step(rating, scale)
    inside = float(np.clip(rating, scale.minimum, scale.maximum))
    assert scale.minimum <= half <= scale.maximum
    assert abs(half - inside) <= scale.step / 4 + 1e-9
    assert (half - scale.minimum) / scale.step * 2 % 1 == 0


@pytest.mark.parametrize(
    ("old", "new", "middle"),
    [(4, 3, 3.5), (3, 4, 3.5), (4, 3.75, 3.75), (3.75, 4, 4), (3.75, 3, 3.25), (3, 3.75, 3.5), (4, 4, 4)],
)
def test_halfway_rounds_towards_what_is_new(old: float, new: float, middle: float) -> None:
    assert halfway(old, new, HALVES.scale) == middle


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=10), max_size=6))
def test_facts_stay_in_their_ranges(ratings: list[list[int]]) -> None:
    found = facts_of([window([float(value) for value in some]) for some in ratings], STARS)
    real = [value for some in ratings for value in some if value]
    assert found.count == len(real)
    assert found.median == (np.median(real) if real else 3)
    assert 0 <= found.best + found.worst <= 1
    assert 0 <= found.spread <= 1
    assert -1 <= found.lean <= 1
    assert found.drift is None or -1 <= found.drift <= 1
