"""Categories of items: what a raw value holds, and which ones tell no items apart."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeper.behaviour.categories import find_separator, parse_categories, without_near_universal
from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.schema import CATEGORIES
from deeper.behaviour.titles import clean_title


@pytest.mark.parametrize(
    ("value", "separator", "expected"),
    [
        ("Adventure|Animation|Children", "|", ["Adventure", "Animation", "Children"]),
        ("Clothing, Shoes & Jewelry|Women", "|", ["Clothing, Shoes & Jewelry", "Women"]),
        ("Thai; Vietnamese ;", ";", ["Thai", "Vietnamese"]),
        ("Smith, Moss & Co", "", ["Smith, Moss & Co"]),
        ('["Gift Cards", "Gift Cards"]', "", ["Gift Cards"]),
        ("['60-minutes-or-less', 'mexican']", "", ["60-minutes-or-less", "mexican"]),
        ("[Comedy, Drama]", ",", ["Comedy", "Drama"]),
        ('[["Books", "Poetry"], ["Books"]]', "", ["Books", "Poetry"]),
        (["Arts &amp; Crafts", None, 3, "Sewing"], "", ["Arts & Crafts", "Sewing"]),
        (['["Pens"]', None, "Quill & Sons"], "", ["Pens", "Quill & Sons"]),
        ("Drama|drama|DRAMA", "|", ["Drama"]),
        ("  Film\u00ad-\u200bNoir\t", "|", ["Film-Noir"]),
        ("Cafe\u0301", "", ["Café"]),
        ("Visit Amazon's Ann Moor Page", "", ["Ann Moor"]),
        ("Ann Moor (Author), Ed Hill (Author)", "", ["Ann Moor"]),
    ],
)
def test_a_raw_value_gives_its_categories(value: object, separator: str, expected: list[str]) -> None:
    assert parse_categories(value, separator) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "  ",
        float("nan"),
        7,
        "7",
        "1,234",
        "(no genres listed)",
        "Unknown",
        "N/A",
        "time-to-make",
        "</span></span></span>",
        '<img src="a.png" alt="FASHION"/>',
        "No expiration, no fees.",
        "Redeemable toward millions of items, storewide and at any time",
        "[]",
        "[7]",
        {"Thai": 1},
        b"Thai",
        "x" * 100_000,
    ],
)
def test_what_names_no_category_gives_none(value: object) -> None:
    assert parse_categories(value, "|") == []


def test_an_item_has_a_limited_number_of_categories() -> None:
    many = [f"Kind {i}" for i in range(1000)]
    assert parse_categories(many) == many[: RECIPE.max_categories]


def test_deep_lists_end_somewhere() -> None:
    value: object = "Thai"
    for _ in range(200):
        value = [value]
    assert parse_categories(value) == []
    assert parse_categories("[" * 5000 + "]" * 5000) == []


@given(st.one_of(st.text(), st.lists(st.text()), st.text(alphabet="[]'\"|,;a ")), st.sampled_from(["", "|", ";", ","]))
def test_categories_are_clean_and_stay_as_they_are(value: object, separator: str) -> None:
    found = parse_categories(value, separator)
    assert all(category == clean_title(category) != "" for category in found)
    assert len({category.casefold() for category in found}) == len(found)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["Drama", "Clothing, Shoes & Jewelry", "Action|Drama"], "|"),
        (["Thai, hot", "Thai; hot"], ";"),
        (["Thai, hot", None, "Greek"], ","),
        (["Arts &amp; Crafts", "Pens"], ""),
        (['["a", "b"]', "['a', 'b']", ["a, b"]], ""),
        ([], ""),
    ],
)
def test_the_first_separator_that_a_column_has_is_its_own(values: list[object], expected: str) -> None:
    assert find_separator(values) == expected


def table(*rows: tuple[str, str, list[str]]) -> pa.Table:
    columns = dict(zip(("domain", "item", "categories"), zip(*rows, strict=True), strict=True))
    return pa.table({**columns, "categories": pa.array(columns["categories"], CATEGORIES)})


def shelf(items: int, having: int, domain: str = "shelf") -> list[tuple[str, str, list[str]]]:
    """Items of two kinds, some of which are books, too."""
    return [(domain, f"i{i}", ["Books"] * (i < having) + [f"Kind {i % 2}"]) for i in range(items)]


def test_a_category_of_nearly_all_items_is_dropped_and_others_are_kept() -> None:
    found, dropped = without_near_universal(table(*shelf(100, 91)))
    assert dropped == ["Books"]
    assert found["categories"].to_pylist() == [[f"Kind {i % 2}"] for i in range(100)]
    assert found.schema == table(*shelf(2, 1)).schema
    kept = table(*shelf(100, 90))
    assert without_near_universal(kept) == (kept, [])


def test_items_count_and_not_their_ratings() -> None:
    rows = shelf(10, 5)
    often = [rows[0]] * 1000
    assert without_near_universal(table(*rows, *often))[1] == []


def test_items_without_a_category_do_not_count() -> None:
    rows = [*shelf(10, 10), *(("shelf", f"bare {i}", list[str]()) for i in range(50))]
    found, dropped = without_near_universal(table(*rows))
    assert dropped == ["Books"]
    assert found["categories"].to_pylist()[-1] == []


def test_each_domain_is_judged_for_itself() -> None:
    found, dropped = without_near_universal(table(*shelf(10, 10), *shelf(10, 2, "other")))
    assert dropped == ["Books"]
    assert ["Books" in categories for categories in found["categories"].to_pylist()] == [False] * 10 + [True] * 2 + (
        [False] * 8
    )


def test_nothing_is_dropped_where_there_is_nothing() -> None:
    for empty in (table(*shelf(1, 0)).slice(0, 0), table(("shelf", "i", []))):
        assert without_near_universal(empty) == (empty, [])
