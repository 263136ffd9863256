"""Judge by their values the columns that were found by their names, in the first rows of a ratings file.

A title names the item. So these are no titles, whatever their column is called:

- one text for all of a user's rows (the user's own name),
- several texts for one item id (a review's headline),
- a text that gives the rating away ("Five Stars"),
- a number, if another column may hold the title.

An id that a user gives to many titles is no id (a category). Categories are none if most values name no category, or
if nearly every item has some of its own. Without a column for the user, the ratings are one person's if hardly any item
occurs twice. A column that the user names is not judged.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from deeper.behaviour.categories import find_separator, parse_categories
from deeper.behaviour.own.bad_values import BadValue, shown
from deeper.behaviour.own.columns import COLUMN_NAMES, Columns, find_columns, letters
from deeper.behaviour.own.meaning.personal_exports import export_columns, recognise
from deeper.behaviour.own.meaning.unrated import is_blank
from deeper.behaviour.own.table import OwnTable
from deeper.behaviour.own.text_rows import Unreadable
from deeper.behaviour.own.values import parse_number

JUDGED_ROWS = 20_000
"""Rows that are judged, from the start of the file."""
MIN_ROWS = 20
"""With fewer rows that can tell, nothing is rejected."""
CONSTANT_SHARE = 0.9
"""Titles are constant if this share of rows has its user's commonest title."""
ITEM_SHARE = 0.7
"""Titles do not name items if a smaller share of rows has its item's commonest title."""
GUESSES_SAVED = 0.8
"""A title gives the rating away if it saves this share of the wrong guesses of ratings that one guess for all makes."""
MIN_ROWS_OF_TITLE = 5
"""Rows of a title that can give its rating away."""
NUMBERS_SHARE = 0.9
"""Titles are numbers if this share of rows is."""
NO_CATEGORY_SHARE = 0.9
"""A column holds no categories if this share of its values names none, or of its categories belongs to one item."""
ID_SHARE = 0.5
"""A column is no id if a user has fewer of its values than this share of the user's titles."""
ONE_PERSON_SHARE = 0.9
"""Ratings without a user are one person's if this share of them is of distinct items."""


class _Row(NamedTuple):
    """A rated row, as text; empty where a field has no column."""

    user: str
    title: str
    item: str
    categories: str
    rating: str


def understand(source: OwnTable, given: Mapping[str, str], noun: str) -> Columns:
    """Find the column of each field by names and values.

    Args:
        source: The file.
        given: Columns that the user has named, by field; "" means that the file has none.
        noun: What an item is called.

    Raises:
        UserError: See `find_columns`; or the file cannot be read.
    """
    known = dict(given)
    if (export := recognise(source.columns)) is not None:
        named = export_columns(export, source.columns)
        taken = set(given.values()) - {""}
        known = {**{name: column for name, column in named.items() if column not in taken}, **given}
    rejected: dict[str, list[str]] = defaultdict(list)
    reasons: dict[str, list[str]] = defaultdict(list)
    while True:
        found = find_columns(source.columns, known, noun, rejected)
        rows = list(_rated_rows(source, found))
        wrong = {name: reason for name, reason in _wrong(found, rows) if name not in known}
        if wrong.get("title") == _ONLY_NUMBERS:
            without = {**rejected, "title": [*rejected["title"], found.of["title"]]}
            if "title" not in find_columns(source.columns, known, noun, without).of:
                del wrong["title"]
        if not wrong:
            break
        name, reason = next(iter(wrong.items()))
        rejected[name].append(found.of[name])
        if reason:
            reasons[name].append(f"the {name} cannot be in {found.of[name]}, which {reason}")
    unclear = dict(found.unclear)
    if unclear.get("user") == [] and _is_one_person(found, rows):
        del unclear["user"]
    return Columns(found.of, unclear, reasons)


def _rated_rows(source: OwnTable, found: Columns) -> Iterator[_Row]:
    """The first rows that have a rating."""
    columns = [found.of.get(name) for name in _Row._fields]
    for _, row in islice(source.rows([name for name in columns if name]), JUDGED_ROWS):
        if not isinstance(row, Unreadable):
            values = [row[name] if name else None for name in columns]
            if not is_blank(values[-1]):
                yield _Row(*("" if is_blank(value) else str(value).strip() for value in values))


_ONLY_NUMBERS = "has only numbers"


def _wrong(found: Columns, rows: Sequence[_Row]) -> Iterator[tuple[str, str]]:
    """The fields whose column does not hold them, each with the reason; an id comes first. An empty one has none."""
    with_id = [row for row in rows if row.item and row.title]
    titles = {(row.user, row.title) for row in with_id}
    ids = {(row.user, row.item) for row in with_id}
    if len(titles) >= MIN_ROWS and len(ids) < ID_SHARE * len(titles):
        yield "item", "a user gives to many titles"
    if "title" in found.of and (reason := _no_title([row for row in rows if row.title])):
        yield "title", reason
    if "categories" in found.of:
        having = [row for row in rows if row.categories]
        reason = _no_categories(having) if having else ""
        if reason or not having:
            yield "categories", reason


def _no_categories(rows: Sequence[_Row]) -> str:
    """Why these texts are no categories of items; empty if they may be."""
    separator = find_separator(row.categories for row in rows)
    of_items = {row.item or row.title: parse_categories(row.categories, separator) for row in rows}
    without = sum(not categories for categories in of_items.values())
    if without >= NO_CATEGORY_SHARE * len(of_items):
        return "names no category in most rows"
    items = Counter(category for categories in of_items.values() for category in categories)
    alone = sum(count == 1 for count in items.values())
    if len(of_items) >= MIN_ROWS and alone >= NO_CATEGORY_SHARE * items.total():
        return "differs from item to item"
    return ""


def _no_title(rows: Sequence[_Row]) -> str:
    """Why these titles do not name items; empty if they may."""
    of_users = _counts((row.user, row.title) for row in rows)
    if _share_of_commonest(of_users) >= CONSTANT_SHARE:
        return f"has one text for all rows of a user ({shown(rows[0].title)})"
    once = {(row.user, row.title, row.item): row for row in rows} if any(row.item for row in rows) else {}
    of_items = _counts((row.item, row.title) for row in once.values() if row.item)
    if 0 < _share_of_commonest(of_items) < ITEM_SHARE:
        return "has several texts for one item"
    ratings = _counts((row.title, row.rating) for row in (once.values() or rows))
    telling = {title: counts for title, counts in ratings.items() if counts.total() >= MIN_ROWS_OF_TITLE}
    if _guesses_saved(telling) >= GUESSES_SAVED:
        title, counts = max(telling.items(), key=lambda one: one[1].total())
        return f"gives the rating away ({shown(title)} goes with {counts.most_common(1)[0][0]})"
    return _ONLY_NUMBERS if rows and sum(_is_number(row.title) for row in rows) >= NUMBERS_SHARE * len(rows) else ""


def _is_one_person(found: Columns, rows: Sequence[_Row]) -> bool:
    """Whether ratings without a column for the user are one person's."""
    if not rows or not {"title", "rating"} <= found.of.keys():
        return False
    items = {row.item or row.title for row in rows}
    distinct = {(row.item, row.title, row.rating) for row in rows}
    is_own = letters(found.of["rating"]) in COLUMN_NAMES["rating"][0]
    return is_own or len(items) >= ONE_PERSON_SHARE * len(distinct)


def _counts(pairs: Iterable[tuple[str, str]]) -> dict[str, Counter[str]]:
    """How often each second value occurs with each first."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for first, second in pairs:
        counts[first][second] += 1
    return counts


def _share_of_commonest(counts: Mapping[str, Counter[str]]) -> float:
    """The share of rows with the commonest value of their group, in groups of two rows or more; 0 for too few rows."""
    groups = [group for group in counts.values() if group.total() > 1]
    rows = sum(group.total() for group in groups)
    return sum(max(group.values()) for group in groups) / rows if rows >= MIN_ROWS else 0.0


def _guesses_saved(ratings: Mapping[str, Counter[str]]) -> float:
    """The share of wrong guesses that the title saves (Goodman and Kruskal's lambda, each row guessed from the others).

    Args:
        ratings: Counts of ratings by title.
    """
    everything = sum(ratings.values(), Counter[str]())
    rows = everything.total()
    wrong = rows - _guessed(everything) if rows >= MIN_ROWS else 0
    return 1 - (rows - sum(map(_guessed, ratings.values()))) / wrong if wrong else 0.0


def _guessed(counts: Counter[str]) -> int:
    """Rows whose rating is the commonest one of the other rows."""
    most, *others = sorted(counts.values(), reverse=True)
    return most if most - 1 > max(others, default=0) else 0


def _is_number(text: str) -> bool:
    try:
        parse_number(text)
    except BadValue:
        return False
    return True
