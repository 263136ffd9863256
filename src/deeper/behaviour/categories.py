"""Clean the categories of items, and drop those that tell hardly any items apart.

Categories are untrusted text, like titles, and are cleaned like them. Sources write them in many ways: a list, a JSON
array, the repr of a Python list, or a text with separators. Some entries are no category: markup, sentences, numbers,
and words such as "Unknown".
"""

import ast
import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc_typed

from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.schema import CATEGORIES
from deeper.behaviour.titles import clean_title

pc: Any = pc_typed
"""pyarrow.compute, whose stubs refuse plain values beside arrays."""

SEPARATORS = ("|", ";", ",")
"""What may stand between the categories of one text. The first one that a column has is the column's separator, so
"Clothing, Shoes & Jewelry|Women" are two categories."""
MAX_TEXT_CHARACTERS = 10_000
"""A longer text is no list of categories."""
MAX_DEPTH = 5
"""Lists within lists that are looked into."""

NO_CATEGORY = frozenset(
    # fmt: off
    {
        "(no genres listed)",
        "none",
        "null",
        "nan",
        "n/a",
        "na",
        "unknown",
        "other",
        "others",
        "uncategorized",
        # The names of Food.com's groups of tags, which stand among the tags.
        "time-to-make",
        "course",
        "main-ingredient",
        "cuisine",
        "preparation",
        "occasion",
        "equipment",
        "dietary",
        "low-in-something",
        "high-in-something",
        "number-of-servings",
        "taste-mood",
        "presentation",
        "technique",
    }
    # fmt: on
)
"""Texts in lower case that stand where categories do and name none."""

_MARKUP = re.compile(r"<[^<>]*>")
_SENTENCE = re.compile(r"(?:\S+ ){3,}\S*[.!?]")
_AUTHOR = re.compile(r"Visit Amazon's (.+) Page|(.+?) \(Author\).*")
"""How Amazon writes the author of a book where other products have a brand."""


def parse_categories(value: object, separator: str = "") -> list[str]:
    """Return the clean categories that a raw value holds, each once, whatever the case of its letters.

    Args:
        value: A text or a list, nested or not; anything else holds none. A text may be a JSON array or the repr of a
            Python list.
        separator: What stands between the categories of a text; empty if a text is one category.
    """
    found: dict[str, str] = {}
    for text in _texts(value, separator):
        if category := _clean(text):
            found.setdefault(category.casefold(), category)
    return list(found.values())[: RECIPE.max_categories]


def find_separator(values: Iterable[object]) -> str:
    """Return the first of `SEPARATORS` that a text has; empty if none has one, or the values are no such texts."""
    texts = (clean_title(value) for value in values if isinstance(value, str) and _array(value) is None)
    seen = {separator for text in texts for separator in SEPARATORS if separator in text}
    return next((separator for separator in SEPARATORS if separator in seen), "")


def without_near_universal(events: pa.Table) -> tuple[pa.Table, list[str]]:
    """Drop the categories that more than `max_category_share` of a domain's items have, of those that have any.

    Args:
        events: The columns domain, item and categories, and any others; several rows may have one item.

    Returns:
        The table, and the categories that were dropped, sorted.
    """
    lists = events["categories"].combine_chunks()
    rows, categories = pc.list_parent_indices(lists), pc.list_flatten(lists)
    of_row = {name: events[name].take(rows) for name in ("domain", "item")}
    distinct = _counts(pa.Table.from_pydict({**of_row, "category": categories}), "domain", "item", "category")
    with_any = _counts(_counts(distinct, "domain", "item"), "domain")
    items = {row["domain"]: row["count_all"] for row in with_any.to_pylist()}
    counts = _counts(distinct, "domain", "category").to_pylist()
    most = RECIPE.max_category_share
    dropped = {(row["domain"], row["category"]) for row in counts if row["count_all"] > most * items[row["domain"]]}
    if not dropped:
        return events, []
    pairs = pc.binary_join_element_wise(of_row["domain"], categories, "\0")
    keep = pc.invert(pc.is_in(pairs, pa.array(["\0".join(pair) for pair in dropped])))
    keep = keep.combine_chunks() if isinstance(keep, pa.ChunkedArray) else keep
    lengths = np.bincount(rows.filter(keep).to_numpy(), minlength=events.num_rows)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    kept = pa.ListArray.from_arrays(offsets, categories.filter(keep), type=CATEGORIES)
    index = events.schema.get_field_index("categories")
    return events.set_column(index, events.schema.field(index), kept), sorted({category for _, category in dropped})


def _counts(table: pa.Table, *names: str) -> pa.Table:
    """The distinct rows of some columns, and how often each occurs (`count_all`)."""
    return table.group_by(list(names), use_threads=False).aggregate([([], "count_all")])


def _texts(value: object, separator: str, depth: int = 0) -> Iterator[str]:
    """The texts in a value, each of one category, not yet cleaned."""
    if isinstance(value, str):
        array = _array(value)
        if array is not None and depth < MAX_DEPTH:
            yield from _texts(array, "", depth + 1)
        elif len(value) <= MAX_TEXT_CHARACTERS:
            text = clean_title(value)
            text = text[1:-1] if text[:1] + text[-1:] == "[]" else text
            yield from text.split(separator) if separator else [text]
    elif isinstance(value, Iterable) and not isinstance(value, bytes | dict) and depth < MAX_DEPTH:
        for one in cast(Iterable[object], value):
            yield from _texts(one, separator, depth + 1)


def _array(text: str) -> list[object] | None:
    """The array that a text writes; None if it writes none."""
    bare = text.strip()
    if not (bare.startswith("[") and bare.endswith("]")) or len(text) > MAX_TEXT_CHARACTERS:
        return None
    try:
        value: object = json.loads(bare)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(bare)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return None
    return cast(list[object], value) if isinstance(value, list) else None


@lru_cache(maxsize=1 << 16)
def _clean(text: str) -> str:
    """A category as it is stored and shown; empty if the text names none."""
    category = clean_title(text)
    if author := _AUTHOR.fullmatch(category):
        category = author[1] or author[2]
    is_none = (
        len(category) > RECIPE.max_category_characters
        or category.casefold() in NO_CATEGORY
        or not any(map(str.isalpha, category))
        or _MARKUP.search(category)
        or _SENTENCE.fullmatch(category)
    )
    return "" if is_none else category
