"""What a persona can say that is updated window by window."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from deeper.learning.describer.facts import Window, facts_of
from training_cases import COVES, REEFS, user_in

from deeper.domains.level_words import LEVEL_WORDS
from deeper.domains.levels import LADDER, verdict_rungs
from deeper.learning.examples.lessons import LessonOptions, training_lessons
from deeper.persona.describer.updated_facts import facts_after_updates, update_facts
from deeper.persona.prompts.templates import load_prompts


def windows_of(*medians: float) -> Sequence[Window]:
    return user_in(REEFS, "u", [[median] * 4 for median in medians]).windows


def test_the_first_window_is_all_that_is_known_of_it() -> None:
    windows = user_in(REEFS, "u", [[1.0, 2.0, 4.0, 5.0]]).windows
    assert facts_after_updates(windows, REEFS) == facts_of(windows, REEFS)


@pytest.mark.parametrize(
    ("medians", "verdict"),
    [
        ((3.0, 4.0), 3.5),
        ((3.0, 3.5), 3.25),
        # Halves of a half step go towards what is new, and what was lost stays lost.
        ((3.0, 3.5, 3.5), 3.5),
        ((3.0, 3.5, 3.0), 3.0),
        ((1.0, 5.0, 5.0, 5.0), 4.5),
    ],
)
def test_each_update_goes_half_the_way(medians: tuple[float, ...], verdict: float) -> None:
    assert facts_after_updates(windows_of(*medians), REEFS).median == verdict


def test_how_ratings_lie_around_the_verdict_is_the_new_window_s() -> None:
    windows = user_in(REEFS, "u", [[0.5] * 4, [5.0, 5.0, 3.0, 3.0]]).windows
    known = facts_after_updates(windows, REEFS)
    assert (known.best, known.worst) == (0.5, 0.0)
    assert known.drift is not None and known.drift > 0


def test_windows_without_ratings_change_nothing_and_start_nothing() -> None:
    rated, unrated = [[value] * 4 for value in (4.0, 0.0)]
    assert facts_after_updates(user_in(COVES, "u", [rated, unrated]).windows, COVES).median == 4.0
    assert facts_after_updates(user_in(COVES, "u", [unrated, rated]).windows, COVES).median == 4.0
    assert facts_after_updates(user_in(COVES, "u", [unrated, unrated]).windows, COVES).count == 0


@pytest.mark.parametrize(("predicted", "verdict"), [(None, 3.5), (4.5, 3.5), (4.0, 3.5), (2.0, 2.5), (5.0, 4.0)])
def test_it_starts_from_what_was_predicted_where_the_old_words_were_misread(
    predicted: float | None, verdict: float
) -> None:
    old = facts_of(windows_of(4.25), REEFS)
    assert update_facts(old, windows_of(4.25, 3.0), REEFS, predicted).median == verdict


def test_new_kinds_stand_before_old_ones_and_none_on_both_sides() -> None:
    rated = {"Amber Brook": 5.0, "Quiet Brook": 5.0, "Brook Hollow": 5.0, "Slate": 1.0, "Gneiss": 2.0, "Basalt": 1.0}
    window = [
        {"item": title, "title": title, "categories": [], "rating": rating, "time": None}
        for title, rating in rated.items()
    ]
    old = replace(facts_of(windows_of(3.0), REEFS), pleasing=("dunes",), disappointing=("brook",))
    known = update_facts(old, [*windows_of(3.0), window], REEFS)
    assert known.pleasing == ("brook", "dunes")
    assert known.disappointing == ()


def test_old_personas_of_lessons_say_what_updates_have_made_of_them() -> None:
    someone = user_in(REEFS, "u", [[3.0] * 4, [4.0] * 4, [4.0] * 4, [4.0] * 4])
    lessons = training_lessons([someone], LessonOptions(load_prompts(), 120, seed=1), 300)[0]
    third = [
        lesson.prompt.user.partition("scores")[0]
        for lesson in lessons
        if lesson.task == "refine" and f"Silent {REEFS.id} 3 0" in lesson.prompt.user
    ]
    low, high = verdict_rungs(3.75, REEFS.scale)
    said = [words for words in third if all(any(word in words for word in LEVEL_WORDS[rung]) for rung in (low, high))]
    assert LADDER[low] != LADDER[high]
    assert len(said) > len(third) / 3
