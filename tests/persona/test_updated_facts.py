"""The rule of an update: what a persona can say that sees only the old one and the new window."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persona_cases import items, sorted_items

from deeper.domains import Domain, Scale
from deeper.persona.describer.recipe import DESCRIBER
from deeper.persona.describer.updated_facts import (
    added_up,
    facts_after_updates,
    merged,
    update_facts,
    updated_median,
)
from deeper.persona.evidence.facts import Facts, KindVerdict, Window, facts_of
from deeper.persona.evidence.recipe import EVIDENCE

HALVES = Domain("reefs", "Reefs", "reef", Scale(0.5, 5, 0.5))
STARS = Domain("coves", "Coves", "cove", Scale(1, 5, 1), unrated=(0.0,))


def windows_of(*medians: float) -> list[Window]:
    return [items("abcd", [median] * 4) for median in medians]


def kinds(**strengths: int) -> tuple[KindVerdict, ...]:
    return tuple(KindVerdict(name, strength) for name, strength in strengths.items())


def test_the_first_window_is_all_that_is_known_of_it() -> None:
    [window] = [sorted_items(("Crime", [5] * 4), ("War", [1] * 4))]
    assert facts_after_updates([window], STARS) == facts_of([window], STARS)


@pytest.mark.parametrize(
    ("medians", "verdict"),
    [
        ((3.0, 4.0), 3.5),
        ((3.0, 3.5), 3.25),
        # A rest of half a step goes towards what is new.
        ((1.0, 1.75), 1.5),
        # Half of the way, then a third.
        ((1.0, 4.0, 4.0), 3.0),
        ((1.0, 4.0, 4.0, 4.0), 3.25),
        ((1.0, 4.0, 4.0, 4.0, 4.0), 3.5),
        ((4.0, 1.0, 1.0), 2.0),
        ((3.0, 3.5, 3.0), 3.25),
    ],
)
def test_the_middle_goes_half_the_way_and_less_the_longer_a_user_is_known(
    medians: tuple[float, ...], verdict: float
) -> None:
    assert facts_after_updates(windows_of(*medians), HALVES).median == verdict


@given(st.integers(0, 18), st.integers(0, 18), st.integers(2, 9))
def test_a_move_stays_between_old_and_new_and_rounds_towards_the_new(old: int, new: int, windows: int) -> None:
    first, last = (0.5 + 0.25 * number for number in (old, new))
    found = updated_median(first, last, windows, HALVES.scale)
    exact = first + (last - first) / min(windows, DESCRIBER.slowest)
    assert min(first, last) <= found <= max(first, last)
    assert abs(found - exact) <= 0.125 and abs(last - found) <= abs(last - exact) + 0.125
    if abs(found - exact) == 0.125:
        assert abs(last - found) < abs(last - exact), "a tie goes towards the new"
    mirrored = updated_median(5.5 - first, 5.5 - last, windows, HALVES.scale)
    assert mirrored == pytest.approx(5.5 - found), "up and down alike"


@pytest.mark.parametrize(("predicted", "verdict"), [(None, 3.5), (4.5, 3.5), (4.0, 3.5), (2.0, 2.5), (5.0, 4.0)])
def test_it_starts_from_what_was_predicted_where_the_old_words_were_misread(
    predicted: float | None, verdict: float
) -> None:
    old = facts_of(windows_of(4.25), HALVES)
    points = None if predicted is None else [predicted] * 4
    assert update_facts(old, windows_of(3.0)[0], 2, HALVES, points).median == verdict


def test_spread_and_extremes_move_by_levels() -> None:
    old, new = Facts(10, 3.0, spread=0, best=3, worst=1), Facts(10, 3.0, spread=3, best=0, worst=1)
    second, third, tenth = (merged(new, old, windows, STARS.scale) for windows in (2, 3, 10))
    assert (second.spread, second.best, second.worst) == (2, 1, 1)
    assert (third.spread, third.best, third.worst) == (tenth.spread, tenth.best, tenth.worst) == (1, 2, 1)


@pytest.mark.parametrize(("new", "drift"), [(3.0, 0), (3.25, 0), (3.5, 1), (2.5, -1), (5.0, 1)])
def test_a_change_is_that_from_the_old_persona_to_the_new_window(new: float, drift: int) -> None:
    span = HALVES.scale.maximum - HALVES.scale.minimum
    assert (abs(new - 3.0) >= EVIDENCE.drift * span) == bool(drift)
    old = replace(facts_of(windows_of(3.0), HALVES), drift=-1)
    assert update_facts(old, windows_of(new)[0], 2, HALVES).drift == drift


def test_windows_are_counted() -> None:
    known = facts_of(windows_of(3.0), STARS)
    said = [update_facts(known, windows_of(3.0)[0], count, STARS).known for count in (2, 3, 4, 9)]
    assert said == [1, 1, 2, 2]
    assert facts_after_updates(windows_of(3.0, 3.0, 3.0), STARS).count == 12


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (kinds(Crime=1), kinds(Crime=1), kinds(Crime=2)),
        (kinds(Crime=2), kinds(Crime=2), kinds(Crime=2)),
        (kinds(Crime=2), kinds(Crime=-1), kinds(Crime=1)),
        (kinds(Crime=1), kinds(Crime=-1), ()),
        (kinds(Crime=2), kinds(Crime=-2), ()),
        (kinds(Crime=1), kinds(Crime=-2), kinds(Crime=-1)),
        (kinds(Crime=2, War=-1), (), kinds(Crime=2, War=-1)),
        ((), kinds(Crime=2, War=-1), kinds(Crime=2, War=-1)),
        (kinds(War=-2), kinds(Crime=1), kinds(Crime=1, War=-2)),
        (kinds(War=1), kinds(Crime=2), kinds(Crime=2, War=1)),
        (kinds(War=1, Jazz=1), kinds(Crime=1), kinds(War=1, Jazz=1, Crime=1)),
        ((KindVerdict("Crime", 1),), (KindVerdict("CRIME", 1),), kinds(Crime=2)),
    ],
    ids=["sharpened", "kept at most", "weakened", "dropped", "cancelled", "turned", "kept", "new", "sides",
         "the clear first", "the older first", "one kind in any case"],
)  # fmt: skip
def test_what_is_told_of_kinds_adds_up(
    old: tuple[KindVerdict, ...], new: tuple[KindVerdict, ...], told: tuple[KindVerdict, ...]
) -> None:
    assert added_up(old, new) == told


def test_each_side_keeps_its_limit_and_drops_the_hedged_and_newest() -> None:
    old = tuple(KindVerdict(name, 1) for name in "abcd")
    new = (KindVerdict("e", 2), KindVerdict("f", 1), KindVerdict("z", -1))
    assert [one.name for one in added_up(old, new)] == ["e", "a", "b", "c", "z"]
    assert EVIDENCE.max_kinds == 4


def test_an_update_adds_what_the_new_window_shows() -> None:
    window = sorted_items(("Crime", [5] * 5), ("War", [1] * 5))
    old = Facts(10, 3.0, kinds=kinds(Crime=1, Opera=2, War=2))
    assert update_facts(old, window, 2, STARS).kinds == kinds(Crime=2, Opera=2)


def test_a_refinement_adds_the_direction_of_errors_alone() -> None:
    # Crime is loved, as predicted: nothing new. Of War the prediction was too low.
    window = sorted_items(("Crime", [5] * 5), ("War", [3] * 5), ("", [3] * 12))
    old = Facts(10, 3.0, kinds=kinds(Crime=1))
    points: Sequence[float] = [5.0] * 5 + [1.0] * 5 + [3.0] * 12
    assert update_facts(old, window, 2, STARS, points).kinds == kinds(War=2, Crime=1)
    assert [one.name for one in update_facts(old, window, 2, STARS).kinds] == ["Crime"]


def test_windows_without_ratings_change_nothing_and_start_nothing() -> None:
    rated, unrated = windows_of(4.0, 0.0)
    known = facts_after_updates([rated, unrated], STARS)
    assert known == replace(facts_of([rated], STARS), known=1)
    changed = replace(facts_of([rated], STARS), drift=1, kinds=kinds(Crime=2))
    assert update_facts(changed, unrated, 4, STARS) == replace(changed, known=2, drift=0)
    assert facts_after_updates([unrated, rated], STARS) == replace(facts_of([rated], STARS), known=1)
    assert facts_after_updates([unrated, unrated], STARS).count == 0
