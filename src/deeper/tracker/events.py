"""Behaviour from a program: single events checked, put in order, and repeats left out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from deeper.behaviour.own.values import parse_rating, parse_text, parse_time
from deeper.behaviour.titles import clean_title
from deeper.domains import Domain
from deeper.errors import UserError

Row = dict[str, Any]
"""A row of `behaviour.schema.ITEM`: item, title, rating, time."""


@dataclass(frozen=True)
class Event:
    """One rating.

    Attributes:
        title: The item's title, as a reader sees it.
        rating: On the domain's scale, or a value that means "no rating".
        time: When; UTC where no zone is named. ISO 8601 text, Unix seconds and milliseconds are understood, too.
        item: The item's id; the title if there is none.
    """

    title: str
    rating: float
    time: datetime | str | float
    item: str = ""


class Added(NamedTuple):
    """A user's events with new ones among them.

    Attributes:
        events: All of them, in time order.
        repeated: How many of the new ones were known already.
    """

    events: list[Row]
    repeated: int


def parse_user(user: object) -> str:
    """A user's id: text or a whole number.

    Raises:
        UserError: It is empty or something else.
    """
    try:
        return parse_text(user)
    except ValueError as error:
        raise UserError(f"the user {error}", do="give the user's id") from error


def parse_events(user: str, events: Iterable[Event | Mapping[str, Any]], domain: Domain) -> list[Row]:
    """Read events as own files are read: the same columns, the same rules; what else they hold is ignored.

    Args:
        user: For messages.
        events: In any order.
        domain: Gives the scale.

    Raises:
        UserError: One lacks a title, rating or time, or has one that cannot be read.
    """
    return [_parse(event, domain, f"user {user!r}, event {number}") for number, event in enumerate(events, 1)]


def parse_stream(stream: Iterable[Mapping[str, Any]], domain: Domain) -> dict[str, list[Row]]:
    """Read events that name their user.

    Returns:
        By user.

    Raises:
        UserError: As for `parse_user` and `parse_events`.
    """
    by_user: dict[str, list[Mapping[str, Any]]] = {}
    for event in stream:
        by_user.setdefault(parse_user(event.get("user")), []).append(event)
    return {user: parse_events(user, events, domain) for user, events in by_user.items()}


def parse_titles(user: str, titles: Sequence[str]) -> list[str]:
    """Titles to predict, cleaned as those of events are.

    Raises:
        UserError: There is none, or one is empty.
    """
    if isinstance(titles, str) or not titles:
        raise UserError("there is no list of titles", where=f"user {user!r}", do='write ["One title", "Another"]')
    cleaned: list[str] = []
    for number, title in enumerate(titles, 1):
        try:
            cleaned.append(parse_text(clean_title(parse_text(title))))
        except ValueError as error:
            raise UserError(f"the title {error}", where=f"user {user!r}, title {number}", do="leave it out") from error
    return cleaned


def add_events(user: str, known: Sequence[Row], new: Iterable[Row], size: int) -> Added:
    """Put new events among a user's known ones.

    Whole windows stay as they are. What waits for its window to be full and what is new are put in time order; those of
    the same time keep the order in which they came. An event that equals a known one in item, rating and time is a
    repeat (a stream that delivers twice) and is left out.

    Args:
        user: For messages.
        known: The user's events so far.
        new: Parsed events.
        size: Events in a window.

    Raises:
        UserError: An event is earlier than the last one of a whole window.
    """
    whole = len(known) // size * size
    waiting = list(known[whole:])
    seen = {_identity(event) for event in known}
    repeated = 0
    for event in new:
        identity = _identity(event)
        if identity in seen:
            repeated += 1
            continue
        if whole and event["time"] < known[whole - 1]["time"]:
            raise UserError(
                f"an event of {event['time']} comes too late: the windows up to {known[whole - 1]['time']} are whole",
                where=f"user {user!r}, {event['title']!r}",
                do="leave it out, or give events nearer to their order in time",
            )
        seen.add(identity)
        waiting.append(event)
    return Added([*known[:whole], *sorted(waiting, key=lambda event: event["time"])], repeated)


def _parse(event: Event | Mapping[str, Any], domain: Domain, where: str) -> Row:
    values = vars(event) if isinstance(event, Event) else event
    if missing := [name for name in ("title", "rating", "time") if name not in values]:
        raise UserError(f"there is no {', '.join(missing)}", where=where, do="give title, rating and time")
    name = "title"
    try:
        title = parse_text(clean_title(parse_text(values[name])))
        name = "rating"
        # Tables hold ratings in single precision: so a tracker that was loaded goes on as the one that was saved.
        rating = float(np.float32(parse_rating(values[name], domain)))
        name = "time"
        time = parse_time(values[name])
        name = "item"
        item = title if values.get(name) in (None, "") else parse_text(values[name])
    except ValueError as error:
        raise UserError(f"the {name} {error}", where=where, do="mend it or leave it out") from error
    return {"item": item, "title": title, "rating": rating, "time": time}


def _identity(event: Row) -> tuple[object, ...]:
    return event["item"], event["rating"], event["time"]
