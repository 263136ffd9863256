"""Parse single values of the user's ratings: text, rating, position and time; a bad one raises `BadValue`.

Values may be text, or what Python hands in: numbers, datetimes, and scalars of NumPy and pandas.
"""

import re
from datetime import UTC, date, datetime
from typing import cast

from deeper.behaviour.own.bad_values import MAX_CHARACTERS_SHOWN, BadValue, is_not, shown
from deeper.behaviour.own.handed import plain
from deeper.behaviour.own.moments.dates import read_date
from deeper.behaviour.own.moments.epochs import from_number, read_digits
from deeper.domains import Domain

MAX_TEXT_CHARACTERS = 2000
"""Longest id or title."""
MAX_WHOLE_FLOAT = 2**53
"""A float below it, as pandas makes of a column of whole numbers with a gap, is its whole number exactly."""
THUMBS = {
    **dict.fromkeys(("up", "true", "yes", "like", "liked", "thumbs up", "thumbs_up", "👍"), True),
    **dict.fromkeys(("down", "false", "no", "dislike", "disliked", "thumbs down", "thumbs_down", "👎"), False),
}
"""Ratings in words, on a scale of two values."""


def parse_text(value: object) -> str:
    """Parse an id or title: text, or a whole number, which may come as a float (7.0).

    Raises:
        BadValue: It is empty, only blanks, too long, not valid Unicode, or of another type.
    """
    value = plain(value)
    if isinstance(value, float):
        value = None if value != value else int(value) if abs(value) < MAX_WHOLE_FLOAT and value.is_integer() else value
    if not isinstance(value, str | int | None) or isinstance(value, bool):
        raise is_not(value, "text")
    try:
        text = "" if value is None else str(value)
        text.encode()
    except UnicodeEncodeError as error:  # a lone surrogate
        shown = str(value)[:MAX_CHARACTERS_SHOWN]
        raise BadValue("is not text", f"is {shown!r}, which is not valid Unicode") from error
    except ValueError as error:  # a number of thousands of digits
        raise BadValue("is not text") from error
    if not text.strip():
        raise BadValue("is empty")
    if len(text) > MAX_TEXT_CHARACTERS:
        reason = f"is longer than {MAX_TEXT_CHARACTERS} characters"
        raise BadValue(reason, f"is {len(text)} characters long, more than {MAX_TEXT_CHARACTERS}")
    return text


def parse_item(value: object, title: str) -> str:
    """Parse an item's id; without one, the title is the id.

    Raises:
        BadValue: As for `parse_text`.
    """
    value = plain(value)
    is_missing = value is None or value == "" or value != value
    return title if is_missing else parse_text(value)


def parse_number(value: object) -> float:
    """Parse a number, also from text; a thumb, in words or as true or false, is 1 or 0.

    Raises:
        BadValue: It is not a number.
    """
    value = plain(value)
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        word = value.strip().casefold()
        if word in THUMBS:
            return float(THUMBS[word])
        if "_" in word:  # Python reads 1_0 as 10
            raise is_not(value, "a number")
    try:
        return float(cast(str, value))
    except (TypeError, ValueError, OverflowError) as error:
        raise is_not(value, "a number") from error


def parse_rating(value: object, domain: Domain) -> float:
    """Parse a rating on the domain's scale, or one that means "no rating"; on a scale of two values also a thumb.

    Raises:
        BadValue: It is not a number, or off the scale.
    """
    value, scale = plain(value), domain.scale
    is_thumb = isinstance(value, bool) or (isinstance(value, str) and value.strip().casefold() in THUMBS)
    if is_thumb and len(scale.values) != 2:
        raise is_not(value, "a number")
    rating = parse_number(value)
    if is_thumb:
        return scale.maximum if rating else scale.minimum
    if not domain.accepts(rating):
        unrated = "".join(f", or {mark:g} for no rating" for mark in domain.unrated)
        steps = f"{scale.minimum:g} to {scale.maximum:g} in steps of {scale.step:g}{unrated}"
        raise BadValue("is off the scale", f"is {rating:g}, off the scale of {domain.id} ({steps})")
    return rating


def parse_position(value: object) -> int:
    """Parse the position of an event among the user's events.

    Raises:
        BadValue: It is not a whole number of 32 bits.
    """
    value = plain(value)
    if isinstance(value, str) and re.fullmatch("[0-9]{1,10}", value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**31) <= value < 2**31:
        raise is_not(value, "a whole number")
    return value


def parse_time(value: object, day_first: bool | None = None) -> datetime:
    """Parse a time to UTC: a datetime or date, text in any form of `read_date`, or a Unix time.

    Args:
        value: UTC if it names no zone. A Unix time is in seconds, milliseconds, microseconds or nanoseconds.
        day_first: Whether the day comes first in "03/04/2023"; None if that is not known.

    Raises:
        BadValue: It is none of these, or could be two of them.
    """
    value = given = plain(value)
    if isinstance(value, str):
        text = value.strip()
        number = read_digits(text)
        value = read_date(text, day_first) if number is None else number
    if isinstance(value, int | float) and not isinstance(value, bool):
        return from_number(value, shown(given))
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise is_not(value, "a time")
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError as error:
        raise BadValue("is outside the calendar") from error
