"""Single values of own behaviour files: text, rating, position and time, or a `BadValue` that says what is wrong."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import cast

from deeper.domains import Domain

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_SECONDS = 1e11
"""Larger numbers (the year 5138 and after) are milliseconds, from 1973 on."""
LATEST_MILLISECONDS = 1e13
"""Larger numbers (the year 2286 and after) are smaller units by mistake."""
LONGEST = 2000
"""Characters of an id or title at most."""
SHOWN = 60
"""Characters of a bad value that a message shows."""
THUMBS = {
    **dict.fromkeys(("up", "true", "yes", "like", "liked", "thumbs up", "thumbs_up", "👍"), True),
    **dict.fromkeys(("down", "false", "no", "dislike", "disliked", "thumbs down", "thumbs_down", "👎"), False),
}
"""Ratings in words, on a scale of two values."""

_CALENDAR_DAY = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")


class BadValue(ValueError):
    """A value that cannot be used.

    Attributes:
        kind: What is wrong, in the same words for all such values ("is no number").
    """

    def __init__(self, kind: str, said: str = "") -> None:
        """Say what is wrong: `said` names the value ("is 'good', which is no number"); `kind` if it needs no name."""
        self.kind = kind
        super().__init__(said or kind)


def parse_text(value: object) -> str:
    """An id or title: text, or a whole number.

    Raises:
        BadValue: It is empty, only blanks, too long, no Unicode text, or something else.
    """
    if not isinstance(value, str | int | None) or isinstance(value, bool):
        raise _is_no(value, "text")
    try:
        text = "" if value is None else str(value)
        text.encode()
    except UnicodeEncodeError as error:  # half a character
        raise BadValue("is no text", f"is {str(value)[:SHOWN]!r}, which is not valid Unicode") from error
    except ValueError as error:  # a number of thousands of digits
        raise BadValue("is no text") from error
    if not text.strip():
        raise BadValue("is empty")
    if len(text) > LONGEST:
        raise BadValue(f"is longer than {LONGEST} characters", f"is {len(text)} characters long, above {LONGEST}")
    return text


def parse_number(value: object) -> float:
    """A number, written as one or as text; a thumb, in words or as a truth value, is 1 or 0.

    Raises:
        BadValue: It is something else.
    """
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        word = value.strip().casefold()
        if word in THUMBS:
            return float(THUMBS[word])
        if "_" in word:  # Python reads 1_0 as 10
            raise _is_no(value, "number")
    try:
        return float(cast(str, value))
    except (TypeError, ValueError, OverflowError) as error:
        raise _is_no(value, "number") from error


def parse_rating(value: object, domain: Domain) -> float:
    """A rating on the domain's scale, or one that means "no rating"; on a scale of two values also a thumb.

    Raises:
        BadValue: It is no number, or off the scale.
    """
    scale = domain.scale
    is_thumb = isinstance(value, bool) or (isinstance(value, str) and value.strip().casefold() in THUMBS)
    if is_thumb and len(scale.values) != 2:
        raise _is_no(value, "number")
    rating = parse_number(value)
    if is_thumb:
        return scale.maximum if rating else scale.minimum
    if not domain.accepts(rating):
        unrated = "".join(f", or {mark:g} for no rating" for mark in domain.unrated)
        steps = f"{scale.minimum:g} to {scale.maximum:g} in steps of {scale.step:g}{unrated}"
        raise BadValue("is off the scale", f"is {rating:g}, off the scale of {domain.id} ({steps})")
    return rating


def parse_position(value: object) -> int:
    """The place of an event among a user's events.

    Raises:
        BadValue: It is no whole number of 32 bits.
    """
    if isinstance(value, str) and re.fullmatch("[0-9]{1,10}", value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**31) <= value < 2**31:
        raise _is_no(value, "whole number")
    return value


def parse_time(value: object) -> datetime:
    """A time in UTC: ISO 8601 text (UTC where it names no zone), a date or datetime, Unix seconds or milliseconds.

    Raises:
        BadValue: It is none of these, or it could be read as two of them.
    """
    if isinstance(value, str):
        value = value.strip()
        if _CALENDAR_DAY.fullmatch(value):
            written = f"{value[:4]}-{value[4:6]}-{value[6:]}"
            raise BadValue("can be a day or seconds", f"is {value!r}, which can be a day or seconds; write {written}")
        try:
            value = float(value)
        except ValueError:
            try:
                value = datetime.fromisoformat(value)
            except ValueError as error:
                raise BadValue(
                    "is neither ISO 8601 nor Unix seconds",
                    f"is {_shown(value)}, which is neither ISO 8601 nor Unix seconds",
                ) from error
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_seconds(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise _is_no(value, "time")
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError as error:
        raise BadValue("is outside of the calendar") from error


def _from_seconds(seconds: float) -> datetime:
    if LATEST_SECONDS <= seconds < LATEST_MILLISECONDS:
        seconds = seconds / 1000
    if not abs(seconds) < LATEST_SECONDS:
        kind = "is too large for Unix seconds or milliseconds"
        raise BadValue(kind, f"is {seconds:g}, too large for Unix seconds or milliseconds")
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError as error:
        raise BadValue("is outside of the calendar", f"is {seconds:g} seconds, outside of the calendar") from error


def _is_no(value: object, what: str) -> BadValue:
    return BadValue(f"is no {what}", f"is {_shown(value)}, which is no {what}")


def _shown(value: object) -> str:
    """A value as Python writes it, cut short."""
    try:
        text = repr(value)
    except ValueError:  # a number of thousands of digits
        return "a very long number"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
