"""The lines that say in a prompt what ratings show."""

import re
from collections.abc import Sequence
from typing import Any

import pytest
from persona_cases import FOOD, ODD_TITLES, STARS, items, sorted_items

from deeper.persona.evidence.facts import facts_of
from deeper.persona.evidence.lines import error_effects, error_lines, evidence_lines

SORTED = sorted_items(("Crime", [5] * 6), ("War", [4, 4, 4]), ("", [3, 3]), ("Comedy", [2, 2, 2]), ("Opera", [1] * 6))


def predicted_for(window: Sequence[dict[str, Any]], **by_kind: float) -> list[float]:
    """A prediction of each item: that of its category, else its own rating."""
    return [by_kind.get("".join(item["categories"]), item["rating"]) for item in window]


def test_the_lines_say_level_and_kinds_by_side_and_certainty() -> None:
    assert evidence_lines([SORTED], STARS, 1) == [
        "verdicts vary hugely, highest often, lowest often; this person is new",
        "clearly above the rest: Crime (superb, from six), War (good, from three)",
        "clearly below the rest: Opera (dreadful, from six), Comedy (bad, from three)",
    ]


def test_hedged_kinds_stand_between_the_clear_ones() -> None:
    window = sorted_items(("Crime", [5] * 5), ("War", [3, 4]), ("", [3] * 3), ("Comedy", [2, 3]), ("Opera", [1] * 5))
    assert evidence_lines([window], STARS, 1)[1:] == [
        "clearly above the rest: Crime (superb, from five)",
        "perhaps above the rest: War (between fair and good, from two)",
        "perhaps below the rest: Comedy (between bad and fair, from two)",
        "clearly below the rest: Opera (dreadful, from five)",
    ]


@pytest.mark.parametrize(
    ("ratings", "said"),
    [
        ([4] * 10, "verdicts hardly vary, highest never, lowest never"),
        ([4] * 7 + [5] * 3, "verdicts vary slightly, highest often, lowest never"),
        ([3] * 5 + [4] * 5, "verdicts vary noticeably, highest never, lowest never"),
        ([5] * 6 + [1] * 4, "verdicts vary hugely, highest mostly, lowest often"),
        ([4] * 19 + [5], "verdicts hardly vary, highest seldom, lowest never"),
        ([1] * 6 + [4] * 4, "verdicts vary hugely, highest never, lowest mostly"),
    ],
)
def test_the_first_line_says_how_ratings_lie(ratings: list[float], said: str) -> None:
    window = items(["x"] * len(ratings), ratings)
    assert evidence_lines([window], STARS, 1) == [f"{said}; this person is new"]


def test_how_long_a_user_is_known_counts_windows_that_are_not_shown() -> None:
    said = [evidence_lines([items(["a"], [4])], STARS, count)[0].partition("this person is ")[2] for count in (1, 2, 4)]
    assert said == ["new", "known for a while", "long known"]


def test_titles_are_counted_in_words() -> None:
    for count, word in ((2, "two"), (12, "twelve"), (13, "many")):
        window = sorted_items(("Crime", [5] * count)) + sorted_items(("War", [1] * 12))
        assert f"Crime (superb, from {word})" in evidence_lines([window], STARS, 1)[1]
    assert not re.search(r"\d", "".join(evidence_lines([SORTED], STARS, 1)))


def test_a_refinement_says_in_which_direction_kinds_were_predicted_wrong() -> None:
    # Crime is rated highest and War predicted too low: only the errors count.
    window = sorted_items(("Crime", [5] * 5), ("War", [4] * 5), ("", [3] * 3), ("Opera", [2] * 5))
    predicted = predicted_for(window, Crime=5, War=2, Opera=4)
    assert error_lines(window, predicted, STARS, 4) == [
        "verdicts vary hugely, highest often, lowest often; this person is long known",
        "clearly predicted too low: War (good, from five)",
        "clearly predicted too high: Opera (bad, from five)",
    ]
    turned = error_lines(window, predicted_for(window, War=5, Opera=1), STARS, 4)
    assert [line.partition(" (")[0] for line in turned[1:]] == [
        "clearly predicted too low: Opera",
        "clearly predicted too high: War",
    ]


def test_an_error_that_all_kinds_share_is_none_of_a_kind() -> None:
    window = sorted_items(("Crime", [5] * 6), ("", [3] * 3), ("Opera", [2] * 6))
    assert len(evidence_lines([window], STARS, 1)) == 3
    assert len(error_lines(window, [item["rating"] - 1 for item in window], STARS, 1)) == 1


def test_predictions_are_rounded_as_the_items_above_show_them() -> None:
    predicted = predicted_for(SORTED, Crime=2.6, Opera=3.4)
    rounded = predicted_for(SORTED, Crime=3, Opera=3)
    assert error_effects(SORTED, predicted, STARS) == error_effects(SORTED, rounded, STARS)


def test_without_a_prediction_it_is_the_ratings_that_are_told() -> None:
    assert error_lines(SORTED, None, STARS, 2) == evidence_lines([SORTED], STARS, 2)


def test_ratings_that_mean_none_count_for_nothing() -> None:
    window = sorted_items(("Crime", [5] * 5), ("War", [1] * 5))
    more = [*window, *({**item, "categories": ["Opera"]} for item in items(["p", "q", "r"], [0, 0, 0]))]
    assert evidence_lines([more], FOOD, 1) == evidence_lines([window], FOOD, 1)
    predicted = [*predicted_for(window, Crime=3, War=3), 5, 5, 5]
    assert error_lines(more, predicted, FOOD, 1) == error_lines(window, predicted[:10], FOOD, 1)
    unrated = items(["p", "q"], [0, 0])
    assert evidence_lines([unrated], FOOD, 1) == error_lines(unrated, [3, 3], FOOD, 1) == []
    assert error_lines(unrated, None, FOOD, 1) == evidence_lines([], FOOD, 1) == []


def test_the_lines_tell_the_kinds_of_the_facts() -> None:
    told = [re.findall(r"([\w-]+) \(", line) for line in evidence_lines([SORTED], STARS, 1)[1:]]
    assert sum(told, []) == ["Crime", "War", "Opera", "Comedy"]
    assert {name for names in told for name in names} == {one.name for one in facts_of([SORTED], STARS).kinds}


@pytest.mark.parametrize("title", ODD_TITLES)
def test_hostile_names_break_no_line(title: str) -> None:
    window = sorted_items((title, [5] * 6), ("Opera", [1] * 6))
    hostile = [{**item, "title": f"{title} {item['title']}"} for item in window]
    bare = [{**item, "categories": []} for item in hostile]
    for some in (hostile, bare):
        for line in (*evidence_lines([some], STARS, 1), *error_lines(some, [3] * 12, STARS, 1)):
            assert len(line.splitlines()) == 1 and line.isprintable()
            assert re.fullmatch(
                r"verdicts [a-z, ]+; this person is new|(clearly|perhaps) [a-z ]+: "
                r"([\w &/+'’.-]+ \([a-z ]+, from [a-z]+\)(, )?)+",
                line,
            )
