import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from deeper.persona.leaks import find_leaks

TALK = (
    "this person at one point enjoys quiet stories and one of the few who points out stars of the stage for the "
    "better half often returns to old places in two minds about loud spectacle second to none a starry sky tends "
    "to be strict with weak plots out of habit outstanding someone alone stone content often heightened no one"
)
ORDINARY = sorted(set(TALK.split()) - {"one", "two", "half"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Usually gives 4.5 to comedies.", ["4.5"]),
        ("Usually gives 4,5.", ["4,5"]),
        ("Around 7/10.", ["7/10"]),
        ("Loves five stars.", ["five stars"]),
        ("Loves Five Stars.", ["Five Stars"]),
        ("A four-and-a-half-star reader.", ["four-and-a-half-star"]),
        ("Gives four and a half stars.", ["four and a half stars"]),
        ("A five\u2011star fan.", ["five\u2011star"]),
        ("Gives half a mark out of ten.", ["out of ten"]),
        ("Gives a solid eight out of ten.", ["eight out of ten"]),
        ("Gives ninety points or nine points.", ["nine points"]),
        ("Gives 3 and 3 and then 4.", ["3", "4"]),
        ("A one-star verdict.", ["one-star"]),
    ],
)
def test_ratings_are_found_as_they_stand(text: str, found: list[str]) -> None:
    assert find_leaks(text, []) == found


@pytest.mark.parametrize(
    "text",
    [
        "At one point the taste turns.",
        "Picks one out of many.",
        "Moved out of town stories, points of view matter.",
        "Enjoys a starring role and starry nights; someone with often high praise.",
        "A person of two minds.",
        TALK,
        "",
    ],
)
def test_ordinary_phrases_are_no_ratings(text: str) -> None:
    assert find_leaks(text, []) == []


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Quarry, The (1999)", "Enjoys the quarry and its like."),
        ("Quarry, The", "Enjoys THE QUARRY."),
        ("Sleeping Harbours, The (Les Havres) (1987)", "Fond of Sleeping Harbours."),
        ("Sleeping Harbours, The (Les Havres) (1987)", "Fond of The Sleeping Harbours!"),
        ("Havre, Le (2003)", "Fond of Le Havre."),
        ("Moonlight's Tail", "Returned to “moonlight’s  tail” often."),
        ("Saltwaters (2001)", "Saltwaters was the peak."),
        ("Salt: The Return", "As in salt - the return."),
        ("[ Salt BY Moor, Ann ( Author ) ]", "Praises salt by moor, ann (author)."),
        ("Ménage à Québec", "Likes MÉNAGE À QUÉBEC."),
        ("Straße nach Süden", "Likes STRASSE NACH SÜDEN."),
        ("$5 a Day", "Not $5 a day."),
    ],
)
def test_whole_titles_are_found_whatever_their_dress(title: str, text: str) -> None:
    assert title in find_leaks(text, [title, "Another Unseen Thing"])
    assert "Another Unseen Thing" not in find_leaks(text, [title, "Another Unseen Thing"])


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Salt (2001)", "Needs salt in a story."),
        ("P", "A p."),
        ("", "Anything at all."),
        ("   ", "Anything at all."),
        ("(1995)", "Anything at all."),
        ("!!!", "Anything at all!!!"),
        ("Saltwaters", "Saltwatersports fans."),
        ("Old Mill", "Sold mills and old millers."),
        ("Old Mill", "Old, and the mill."),
    ],
)
def test_parts_of_words_and_short_titles_are_no_leaks(title: str, text: str) -> None:
    assert find_leaks(text, [title]) == []


def test_each_is_named_once_and_sorted() -> None:
    assert find_leaks("5 and The Old Mill, the old mill, 5, 1", ["Old Mill, The", "Old Mill"]) == [
        "1",
        "5",
        "Old Mill",
        "Old Mill, The",
    ]


@given(st.lists(st.sampled_from(ORDINARY)))
def test_ordinary_words_never_leak(words: list[str]) -> None:
    assert find_leaks(" ".join(words), ["Zinnia Quartet", "Xylographs", "Quarry, The (1999)", "", "P"]) == []


@given(st.text(), st.lists(st.text()))
def test_any_text_and_titles_can_be_searched(text: str, titles: list[str]) -> None:
    found = find_leaks(text, titles)
    assert found == sorted(set(found))
    assert all(leak in text or leak in titles for leak in found)


@given(
    st.lists(st.from_regex(r"[A-Za-z]{2,9}", fullmatch=True), min_size=2, max_size=5),
    st.sampled_from([" ", "  ", ", ", "-", "\n"]),
    st.sampled_from([str.upper, str.lower, str.title]),
    st.sampled_from(["", " (1999)", " (Alias) (1999)"]),
)
def test_a_title_of_two_words_is_found_in_any_case_and_punctuation(words, gap, case, end) -> None:
    assume(not re.search(r"\d", "".join(words)))
    title = " ".join(words) + end
    assert title in find_leaks(f"Likes “{case(gap.join(words))}” a lot.", [title])
