"""The kinds of items: categories where there are any, else words and eras of titles."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persona_cases import ODD_TITLES

from deeper.domains import Domain, Scale
from deeper.domains.level_words import LEVEL_WORDS
from deeper.persona.evidence.kinds import STOP_WORDS, category_kinds, kinds_of, plural, title_kinds
from deeper.persona.evidence.recipe import EVIDENCE

FILMS = Domain("halves", "Halves", "film", Scale(0.5, 5, 0.5))


@pytest.mark.parametrize(
    ("title", "kinds"),
    [
        ("The Mossy Brooks", {"mossy", "brook"}),
        ("Moss's Brook II: The Best of Two Stars", {"moss", "brook"}),
        ("Five Perfect DVD Days (1985)", {"day", "films of the eighties"}),
        ("Glass, 1985", {"glass"}),
        ("Kiln (1979)", {"kiln", "old films"}),
        ("Kiln (1999)", {"kiln", "films of the nineties"}),
        ("Kiln (2000)", {"kiln", "newer films"}),
        ("Straße 12x a bc", set()),
        ("", set()),
    ],
)
def test_words_and_the_era_are_the_kinds_of_a_title(title: str, kinds: set[str]) -> None:
    assert set(title_kinds(title, FILMS)) == kinds


def test_singular_and_plural_are_one_kind_and_keep_their_forms() -> None:
    assert title_kinds("Mossy Brook", FILMS)["brook"] == "brook"
    assert title_kinds("MOSSY BROOKS", FILMS)["brook"] == "brooks"


@pytest.mark.parametrize(
    "category", ["Film-Noir", "Sci-Fi", "Children's", "R&B", "Mac / PC", "Tools + Toys", "Café", "St. Kilda"]
)
def test_a_category_of_plain_words_can_be_told_as_it_is_written(category: str) -> None:
    assert category_kinds((category,)) == {category.casefold(): category}


@pytest.mark.parametrize(
    "category",
    [
        "",
        " ",
        "Under 30",
        "3D",
        "Salt, Pepper",
        "Salt; Pepper",
        'The "Quoted"',
        "two\nlines",
        "Great Food",
        "PERFECT gifts",
        "So-so",
        " Drama",
        "Drama ",
        "Salt (Sea)",
        "a" * (EVIDENCE.kind_characters + 1),
    ],
)
def test_what_cannot_stand_in_a_persona_is_no_kind(category: str) -> None:
    assert category_kinds((category,)) == {}


@pytest.mark.parametrize("title", ODD_TITLES)
def test_an_odd_category_never_breaks_a_line_or_a_list(title: str) -> None:
    for form in category_kinds((title,)).values():
        assert form == title and form.isprintable() and len(form) <= EVIDENCE.kind_characters
        assert not set(form) & set(',;:"()[]{}$<>0123456789')


@given(st.text(max_size=60))
def test_any_category_is_told_as_plain_words_or_not_at_all(category: str) -> None:
    for form in category_kinds((category,)).values():
        assert form == category
        assert all(part.isalpha() or part in " &/+'’.-" for part in form)


def test_a_hostile_category_takes_no_time() -> None:
    start = time.perf_counter()
    for end in ("1", "!", " ", "\n"):
        assert category_kinds(("a" * (EVIDENCE.kind_characters - 1) + end,)) == {}
        assert category_kinds(("a b" * 12 + end,)) == {}
    assert time.perf_counter() - start < 1


def test_the_case_of_a_category_does_not_matter_and_one_form_is_kept() -> None:
    assert category_kinds(("Drama", "DRAMA")) == {"drama": "DRAMA"}
    first, second = kinds_of([{"title": "a", "categories": ["Drama"]}, {"title": "b", "categories": ["DRAMA"]}], FILMS)
    assert first.keys() == second.keys() == {"drama"}


def test_categories_stand_in_place_of_titles_for_all_items_once_one_has_some() -> None:
    bare = [{"title": "Mossy Brook"}, {"title": "Mossy Hill", "categories": None}]
    assert [set(kinds) for kinds in kinds_of(bare, FILMS)] == [{"mossy", "brook"}, {"mossy", "hill"}]
    assert kinds_of([*bare, {"title": "Kiln", "categories": ["Drama"]}], FILMS) == [{}, {}, {"drama": "Drama"}]


def test_no_word_of_a_level_is_a_kind() -> None:
    words = [word for level in LEVEL_WORDS for word in level]
    assert STOP_WORDS.issuperset(words)
    assert not any(title_kinds(word, FILMS) or category_kinds((f"{word} things",)) for word in words if "-" not in word)


@pytest.mark.parametrize(
    ("noun", "nouns"),
    [("film", "films"), ("movie or TV show", "movies or TV shows"), ("story", "stories"), ("dish", "dishes")],
)
def test_the_plural_of_a_noun(noun: str, nouns: str) -> None:
    assert plural(noun) == nouns
