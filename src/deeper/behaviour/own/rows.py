"""Turn the rows of the user's ratings file into events: parse each value, and report bad rows.

Rows without a rating are no bad rows: they are left out and counted apart.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa

from deeper.behaviour.categories import find_separator, parse_categories, without_near_universal
from deeper.behaviour.own.columns import listed
from deeper.behaviour.own.moments.times import time_parser
from deeper.behaviour.own.table import OwnTable
from deeper.behaviour.own.text_rows import Unreadable
from deeper.behaviour.own.values import BadValue, parse_item, parse_position, parse_rating, parse_text
from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.repeats import is_repeat
from deeper.behaviour.schema import BEHAVIOUR
from deeper.behaviour.titles import clean_title, has_title
from deeper.domains import Domain
from deeper.errors import UserError

CHUNK_EVENTS = 1 << 16
SEPARATOR_ROWS = 20_000
"""Rows in which the separator of categories is looked for."""

ONE_PERSON = "me"
"""The user of a file without a column for the user."""

DomainOf = Callable[[Mapping[str, Any], str], Domain]
"""Returns the domain of a row, from its values and its place (for messages)."""


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used.

    Attributes:
        where: Its place in the file ("line 3").
        reason: What is wrong, in the same words for all such rows ("the rating is not a number").
        message: The same with the value.
        rows: How many lines it takes.
        do: What to do about it, if that is known.
    """

    where: str
    reason: str
    message: str
    rows: int = 1
    do: str = ""


class NoRatings(UserError):
    """A file without a single row that can be used."""


@dataclass(frozen=True)
class Events:
    """The events of a file.

    Attributes:
        table: The columns of `BEHAVIOUR` in the order of the file, without exact repeats; `position` only if the file
            has it or has no time.
        rows: Rows read, including bad ones.
        unrated: Rows left out because the item is not rated, by how the file says so ("blank", "0").
        cleaned: Titles that were cleaned.
        untitled: Titles that are only "Unknown".
        between: Ratings between the scale's values.
        repeated: Exact repeats of an earlier row, merged into it.
        universal: Categories that were dropped because nearly all items have them.
    """

    table: pa.Table
    rows: int
    unrated: Mapping[str, int]
    cleaned: int
    untitled: int
    between: int
    repeated: int
    universal: Sequence[str]

    def notes(self) -> list[str]:
        """Return what was left out or mended, or is odd, in words with counts."""
        marks = ", ".join(f"{mark}: {count}" for mark, count in self.unrated.items())
        counts = {
            f"rows left out because they hold no rating ({marks})": sum(self.unrated.values()),
            "exact repeats merged (the same user, item, rating and time)": self.repeated,
            "titles cleaned of blanks, entities or hidden characters": self.cleaned,
            'titles that are only "Unknown"': self.untitled,
            "ratings between the scale's values, kept as they are": self.between,
        }
        notes = [f"{words}: {count}" for words, count in counts.items() if count]
        return [*notes, universal_note(self.universal)] if self.universal else notes


def universal_note(dropped: Sequence[str]) -> str:
    """Return the note on categories that `without_near_universal` dropped."""
    return f"categories left out because more than {RECIPE.max_category_share:.0%} of the items have them: " + listed(
        dropped
    )


@dataclass
class _EventTable:
    """Collects events in Arrow, chunk by chunk, to save memory."""

    names: list[str]
    pending: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    batches: list[pa.RecordBatch] = field(default_factory=list[pa.RecordBatch])

    def add(self, event: tuple[Any, ...]) -> None:
        self.pending.append(event)
        if len(self.pending) == CHUNK_EVENTS:
            self._flush()

    def table(self) -> pa.Table:
        self._flush()
        return pa.Table.from_batches(self.batches, self._schema())

    def _schema(self) -> pa.Schema:
        return pa.schema([BEHAVIOUR.field(name) for name in self.names])

    def _flush(self) -> None:
        columns = zip(*self.pending, strict=True) if self.pending else [()] * len(self.names)
        arrays = [pa.array(values, one.type) for values, one in zip(columns, self._schema(), strict=True)]
        self.batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema()))
        self.pending = []


def read_events(
    source: OwnTable,
    columns: Mapping[str, str],
    domain_of: DomainOf,
    on_bad_row: Callable[[BadRow], None],
    unrated_mark: Callable[[object], str] = lambda rating: "",
) -> Events:
    """Read all rows.

    Args:
        source: The file.
        columns: The column of each field: title, rating, and perhaps user, time, item, categories, position. Without
            `user`, one person gave all ratings. Without `time`, the rows are in time order.
        domain_of: Returns the domain of a row.
        on_bad_row: Called with each bad row. It may raise to stop the reading; otherwise the row is left out.
        unrated_mark: Called with each rating. Returns how it says that the item is not rated; empty if it is rated.

    Raises:
        NoRatings: No row is left.
        UserError: The file cannot be read, or `on_bad_row` raises.
    """
    is_ordered = "time" not in columns
    has_position = is_ordered or "position" in columns
    events = _EventTable([name for name in BEHAVIOUR.names if name != "position" or has_position])
    parse_time = None if is_ordered else time_parser(source, columns["time"])
    categories_of = category_parser(source, columns["categories"]) if "categories" in columns else None
    rows = cleaned = untitled = between = 0
    unrated = Counter[str]()
    used = list(dict.fromkeys(name for name in (*columns.values(), "domain") if name in source.columns))
    for where, row in source.rows(used):
        rows += row.rows if isinstance(row, Unreadable) else 1
        if isinstance(row, Unreadable):
            on_bad_row(BadRow(where, f"the row {row.reason}", f"the row {row.message}", row.rows, row.do))
            continue
        if mark := unrated_mark(source.number(row[columns["rating"]])):
            unrated[mark] += 1
            continue
        domain = domain_of(row, where)
        name = "user"
        try:
            user = parse_text(row[columns[name]]) if name in columns else ONE_PERSON
            name = "title"
            text = parse_text(row[columns[name]])
            title = parse_text(clean_title(text))
            name = "rating"
            rating = parse_rating(source.number(row[columns[name]]), domain)
            name = "time"
            time = parse_time(row[columns[name]]) if parse_time else None
            name = "item"
            item = parse_item(row[columns[name]] if name in columns else None, title)
            name = "position"
            position = rows if is_ordered else parse_position(row[columns[name]]) if has_position else None
        except BadValue as error:
            on_bad_row(BadRow(where, f"the {name} {error.reason}", f"the {name} {error}"))
            continue
        cleaned += title != text
        untitled += not has_title(title)
        between += domain.between and not (rating in domain.unrated or domain.scale.contains(rating))
        categories = categories_of(row) if categories_of else []
        event = (user, domain.id, item, title, categories, rating, time)
        events.add((*event, position) if has_position else event)
    table = events.table()
    if not table.num_rows:
        empty = f" in its {unrated.total():,} rows that can be read" if unrated else ""
        what = f"the file holds no ratings{empty}"
        raise NoRatings(what, where=str(source.path), do="add ratings, or use another file")
    repeats = is_repeat(table)
    if repeats.any():
        table = table.filter(pa.array(~repeats)).combine_chunks()
    table, universal = without_near_universal(table)
    marks = dict(unrated.most_common())
    return Events(table, rows, marks, cleaned, untitled, between, int(repeats.sum()), universal)


def category_parser(source: OwnTable, column: str) -> Callable[[Mapping[str, Any]], list[str]]:
    """Return a function that reads the categories of a row; the column's first rows show their separator."""
    first = islice(source.rows([column]), SEPARATOR_ROWS)
    separator = find_separator(row[column] for _, row in first if not isinstance(row, Unreadable))
    return lambda row: parse_categories(row[column], separator)
