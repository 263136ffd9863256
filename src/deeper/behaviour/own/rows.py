"""Rows of a file of own ratings as events: the one place where each value is read, and a bad row is handed on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from deeper.behaviour.own.table import OwnTable
from deeper.behaviour.own.text_rows import Unreadable
from deeper.behaviour.own.values import BadValue, parse_position, parse_rating, parse_text, parse_time
from deeper.behaviour.schema import BEHAVIOUR
from deeper.behaviour.titles import clean_title, has_title
from deeper.domains import Domain
from deeper.errors import UserError

CHUNK = 1 << 16

DomainOf = Callable[[Mapping[str, Any], str], Domain]
"""The domain of a row, by its place for messages."""


@dataclass(frozen=True)
class Bad:
    """A row that gives no event.

    Attributes:
        where: Its place in the file ("line 3").
        kind: Why, in the same words for all such rows ("the rating is no number").
        said: The same with the value.
        rows: How many lines it takes.
    """

    where: str
    kind: str
    said: str
    rows: int = 1


@dataclass(frozen=True)
class Events:
    """What a file holds.

    Attributes:
        table: The columns of `BEHAVIOUR` in the order of the file; `position` only if the file says it or has no time.
        rows: How many rows were read, bad ones too.
        cleaned: Titles that were cleaned.
        untitled: Titles that are only "Unknown".
        between: Ratings that lie between the scale's values.
    """

    table: pa.Table
    rows: int
    cleaned: int
    untitled: int
    between: int

    def notes(self) -> list[str]:
        """What was mended or is odd, in words with counts."""
        counts = {
            "titles cleaned of blanks, entities or hidden characters": self.cleaned,
            'titles that are only "Unknown"': self.untitled,
            "ratings between the scale's values, kept as they are": self.between,
        }
        return [f"{words}: {count}" for words, count in counts.items() if count]


@dataclass
class _Columns:
    """Columns of events, laid out in Arrow chunk by chunk."""

    names: list[str]
    open: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    done: list[pa.RecordBatch] = field(default_factory=list[pa.RecordBatch])

    def add(self, event: tuple[Any, ...]) -> None:
        self.open.append(event)
        if len(self.open) == CHUNK:
            self._lay_out()

    def table(self) -> pa.Table:
        self._lay_out()
        return pa.Table.from_batches(self.done, self._schema())

    def _schema(self) -> pa.Schema:
        return pa.schema([BEHAVIOUR.field(name) for name in self.names])

    def _lay_out(self) -> None:
        columns = zip(*self.open, strict=True) if self.open else [()] * len(self.names)
        arrays = [pa.array(values, one.type) for values, one in zip(columns, self._schema(), strict=True)]
        self.done.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema()))
        self.open = []


def read_events(
    source: OwnTable, columns: Mapping[str, str], domain_of: DomainOf, refuse: Callable[[Bad], None]
) -> Events:
    """Read all rows.

    Args:
        source: The file.
        columns: The column of each field: user, title, rating, and perhaps time, item, position. Without `time` the
            rows of the file are in order.
        domain_of: Gives the domain of a row.
        refuse: Is told of each bad row, and ends the reading by an error, or lets it go on without that row.

    Raises:
        UserError: The file cannot be read, or `refuse` ends the reading, or no row is left.
    """
    is_ordered = "time" not in columns
    has_position = is_ordered or "position" in columns
    found = _Columns([name for name in BEHAVIOUR.names if name != "position" or has_position])
    rows = cleaned = untitled = between = 0
    used = list(dict.fromkeys(name for name in (*columns.values(), "domain") if name in source.columns))
    for where, row in source.rows(used):
        rows += row.rows if isinstance(row, Unreadable) else 1
        if isinstance(row, Unreadable):
            refuse(Bad(where, f"the row {row.kind}", f"the row {row.said}", row.rows))
            continue
        domain = domain_of(row, where)
        name = "user"
        try:
            user = parse_text(row[columns[name]])
            name = "title"
            text = parse_text(row[columns[name]])
            title = parse_text(clean_title(text))
            name = "rating"
            rating = parse_rating(row[columns[name]], domain)
            name = "time"
            time = None if is_ordered else parse_time(row[columns[name]])
            name = "item"
            item = row[columns[name]] if name in columns else None
            item = title if item in (None, "") else parse_text(item)
            name = "position"
            position = rows if is_ordered else parse_position(row[columns[name]]) if has_position else None
        except BadValue as error:
            refuse(Bad(where, f"the {name} {error.kind}", f"the {name} {error}"))
            continue
        cleaned += title != text
        untitled += not has_title(title)
        between += domain.between and not (rating in domain.unrated or domain.scale.contains(rating))
        event = (user, domain.id, item, title, rating, time)
        found.add((*event, position) if has_position else event)
    table = found.table()
    if not table.num_rows:
        raise UserError("the file holds no behaviours", where=str(source.path), do="add rows, or remove the file")
    return Events(table, rows, cleaned, untitled, between)
