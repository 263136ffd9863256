"""Parse single values of the user's ratings file: text, rating, position and time; a bad one raises `BadValue`."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import cast

from deeper.domains import Domain

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_SECONDS = 1e11
"""A larger number (in seconds: the year 5138 or later) is taken for milliseconds (1973 or later)."""
LATEST_MILLISECONDS = 1e13
"""A larger number (in milliseconds: the year 2286 or later) is an error: microseconds, for instance."""
MAX_TEXT_CHARACTERS = 2000
"""Longest id or title."""
MAX_CHARACTERS_SHOWN = 60
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
        reason: What is wrong, in the same words for all such values ("is not a number").
    """

    def __init__(self, reason: str, message: str = "") -> None:
        """Describe the value.

        Args:
            reason: What is wrong.
            message: The same with the value ("is 'good', which is not a number"); `reason` by default.
        """
        self.reason = reason
        super().__init__(message or reason)


def parse_text(value: object) -> str:
    """Parse an id or title: text, or a whole number.

    Raises:
        BadValue: It is empty, only blanks, too long, not valid Unicode, or of another type.
    """
    if not isinstance(value, str | int | None) or isinstance(value, bool):
        raise _is_not(value, "text")
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


def parse_number(value: object) -> float:
    """Parse a number, also from text; a thumb, in words or as true or false, is 1 or 0.

    Raises:
        BadValue: It is not a number.
    """
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        word = value.strip().casefold()
        if word in THUMBS:
            return float(THUMBS[word])
        if "_" in word:  # Python reads 1_0 as 10
            raise _is_not(value, "a number")
    try:
        return float(cast(str, value))
    except (TypeError, ValueError, OverflowError) as error:
        raise _is_not(value, "a number") from error


def parse_rating(value: object, domain: Domain) -> float:
    """Parse a rating on the domain's scale, or one that means "no rating"; on a scale of two values also a thumb.

    Raises:
        BadValue: It is not a number, or off the scale.
    """
    scale = domain.scale
    is_thumb = isinstance(value, bool) or (isinstance(value, str) and value.strip().casefold() in THUMBS)
    if is_thumb and len(scale.values) != 2:
        raise _is_not(value, "a number")
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
    if isinstance(value, str) and re.fullmatch("[0-9]{1,10}", value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**31) <= value < 2**31:
        raise _is_not(value, "a whole number")
    return value


def parse_time(value: object) -> datetime:
    """Parse a time to UTC: ISO 8601 text (UTC if it names no zone), a date or datetime, Unix seconds or milliseconds.

    Raises:
        BadValue: It is none of these, or could be two of them.
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
        raise _is_not(value, "a time")
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError as error:
        raise BadValue("is outside the calendar") from error


def _from_seconds(seconds: float) -> datetime:
    if LATEST_SECONDS <= seconds < LATEST_MILLISECONDS:
        seconds = seconds / 1000
    if not abs(seconds) < LATEST_SECONDS:
        reason = "is too large for Unix seconds or milliseconds"
        raise BadValue(reason, f"is {seconds:g}, too large for Unix seconds or milliseconds")
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError as error:
        raise BadValue("is outside the calendar", f"is {seconds:g} seconds, outside the calendar") from error


def _is_not(value: object, what: str) -> BadValue:
    return BadValue(f"is not {what}", f"is {_shown(value)}, which is not {what}")


def _shown(value: object) -> str:
    """The value's repr, shortened."""
    try:
        text = repr(value)
    except ValueError:  # a number of thousands of digits
        return "a very long number"
    return text if len(text) <= MAX_CHARACTERS_SHOWN else f"{text[:MAX_CHARACTERS_SHOWN]}…"
