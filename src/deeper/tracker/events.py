"""Check events that a program observes, sort them by time, and leave out repeats."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from deeper.behaviour.categories import find_separator, parse_categories
from deeper.behaviour.own.handed import Frame, rows_of
from deeper.behaviour.own.values import parse_item, parse_rating, parse_text, parse_time
from deeper.behaviour.repeats import is_repeat
from deeper.behaviour.schema import ITEM
from deeper.behaviour.titles import clean_title
from deeper.domains import Domain
from deeper.errors import UserError

Row = dict[str, Any]
"""A row of `behaviour.schema.ITEM`: item, title, categories, rating, time."""


@dataclass(frozen=True)
class Event:
    """One rating.

    Attributes:
        title: The item's title.
        rating: A value of the domain's scale, or one that means "no rating".
        time: A datetime, text, or a Unix time, as in a ratings file. Without a zone it is UTC.
        item: The item's id; the title if empty.
        categories: The item's categories; or one text of them, separated by |, ; or a comma.
    """

    title: str
    rating: float
    time: datetime | str | float
    item: str = ""
    categories: Sequence[str] | str = ()


Events = Iterable[Event | Mapping[str, Any]] | Frame
"""Events as a program hands them in: objects, mappings, a data frame, or an Arrow table."""


class Added(NamedTuple):
    """A user's events after new ones were added.

    Attributes:
        events: All events, in time order.
        repeated: How many of the new ones were known already.
    """

    events: list[Row]
    repeated: int


def parse_user(user: object) -> str:
    """Return a user's id as text.

    Raises:
        UserError: The id is empty, or neither text nor a whole number.
    """
    try:
        return parse_text(user)
    except ValueError as error:
        raise UserError(f"the user {error}", do="give the user's id, text or a whole number") from error


def parse_events(user: str, events: Events, domain: Domain) -> list[Row]:
    """Read events by the same rules as the columns of a ratings file. Other fields are ignored.

    Args:
        user: The user's id, for messages.
        events: The events, in any order; or a data frame or an Arrow table of them.
        domain: The domain that they belong to.

    Raises:
        UserError: An event has no title, rating or time, or one that cannot be read.
    """
    return [_parse(event, domain, f"user {user!r}, event {number}") for number, event in enumerate(rows_of(events), 1)]


def parse_stream(stream: Events, domain: Domain) -> dict[str, list[Row]]:
    """Read events that name their user: mappings, or the rows of a data frame or an Arrow table.

    Returns:
        The rows of each user.

    Raises:
        UserError: As for `parse_user` and `parse_events`.
    """
    by_user: dict[str, list[Mapping[str, Any]]] = {}
    for values in map(_values, rows_of(stream)):
        by_user.setdefault(parse_user(values.get("user")), []).append(values)
    return {user: parse_events(user, events, domain) for user, events in by_user.items()}


def parse_titles(user: str, titles: Sequence[str]) -> list[str]:
    """Return titles to predict, cleaned like those of events.

    Raises:
        UserError: The list is empty, or one of its titles is.
    """
    if isinstance(titles, str) or not len(titles):
        raise UserError("there is no list of titles", where=f"user {user!r}", do='write ["One title", "Another"]')
    cleaned: list[str] = []
    for number, title in enumerate(titles, 1):
        try:
            cleaned.append(parse_text(clean_title(parse_text(title))))
        except ValueError as error:
            raise UserError(f"the title {error}", where=f"user {user!r}, title {number}", do="leave it out") from error
    return cleaned


def add_events(user: str, known: Sequence[Row], new: Iterable[Row], window_size: int) -> Added:
    """Add new events to a user's known ones.

    Full windows do not change. Waiting and new events are sorted by time; those of the same time keep their order of
    arrival. Exact repeats (`is_repeat`) are left out.

    Args:
        user: The user's id, for messages.
        known: The user's events so far.
        new: Parsed events.
        window_size: Events in a window.

    Raises:
        UserError: An event is earlier than the last one of a full window.
    """
    in_full_windows = len(known) // window_size * window_size
    last_time = known[in_full_windows - 1]["time"] if in_full_windows else None
    waiting = list(known[in_full_windows:])
    arrived = list(new)
    repeats = is_repeat(pa.Table.from_pylist([*known, *arrived], schema=pa.schema(list(ITEM))))[len(known) :]
    for event, is_known in zip(arrived, repeats, strict=True):
        if is_known:
            continue
        if last_time is not None and event["time"] < last_time:
            raise UserError(
                f"an event of {event['time']} comes too late: the windows up to {last_time} are full",
                where=f"user {user!r}, {event['title']!r}",
                do="leave it out, and observe events in about the order of their times",
            )
        waiting.append(event)
    return Added([*known[:in_full_windows], *sorted(waiting, key=lambda event: event["time"])], int(repeats.sum()))


def _values(event: Event | Mapping[str, Any]) -> Mapping[str, Any]:
    return vars(event) if isinstance(event, Event) else event


def _parse(event: Event | Mapping[str, Any], domain: Domain, where: str) -> Row:
    values = _values(event)
    if missing := [name for name in ("title", "rating", "time") if name not in values]:
        raise UserError(f"there is no {', '.join(missing)}", where=where, do="give the event's title, rating and time")
    name = "title"
    try:
        title = parse_text(clean_title(parse_text(values[name])))
        name = "rating"
        # Saved tables hold ratings in single precision. Rounding here keeps a loaded tracker equal to the saved one.
        rating = float(np.float32(parse_rating(values[name], domain)))
        name = "time"
        time = parse_time(values[name])
        name = "item"
        item = parse_item(values.get(name), title)
    except ValueError as error:
        raise UserError(f"the {name} {error}", where=where, do="correct the event, or leave it out") from error
    categories = values.get("categories")
    known = parse_categories(categories, find_separator([categories]))
    return {"item": item, "title": title, "categories": known, "rating": rating, "time": time}
