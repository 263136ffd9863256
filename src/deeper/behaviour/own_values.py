"""Single values of own behaviour files: text, rating, position and time, or a `ValueError` that says what is wrong."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import cast

from deeper.domains import Domain

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_SECONDS = 1e11
"""Larger numbers (the year 5138 and after) are milliseconds or smaller units by mistake."""

_CALENDAR_DAY = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")


def parse_text(value: object) -> str:
    """An id or title: text, or a whole number.

    Raises:
        ValueError: It is empty, only blanks, or something else.
    """
    if not isinstance(value, str | int | None) or isinstance(value, bool):
        raise ValueError(f"is {value!r}, which is no text")
    if value is None or not str(value).strip():
        raise ValueError("is empty")
    return str(value)


def parse_rating(value: object, domain: Domain) -> float:
    """A rating on the domain's scale, or one that means "no rating".

    Raises:
        ValueError: It is no number, or off the scale.
    """
    try:
        rating = float(cast(str, value))
    except (TypeError, ValueError) as error:
        raise ValueError(f"is {value!r}, which is no number") from error
    if not domain.accepts(rating):
        scale = domain.scale
        unrated = "".join(f", or {mark:g} for no rating" for mark in domain.unrated)
        steps = f"{scale.minimum:g} to {scale.maximum:g} in steps of {scale.step:g}{unrated}"
        raise ValueError(f"is {rating:g}, off the scale of {domain.id} ({steps})")
    return rating


def parse_position(value: object) -> int:
    """The place of an event among a user's events.

    Raises:
        ValueError: It is no whole number.
    """
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"is {value!r}, which is no whole number")
    return value


def parse_time(value: object) -> datetime:
    """A time in UTC: ISO 8601 text (UTC where it names no zone), a date or datetime, or Unix seconds.

    Raises:
        ValueError: It is none of these, or it could be read as two of them.
    """
    if isinstance(value, str):
        value = value.strip()
        if _CALENDAR_DAY.fullmatch(value):
            raise ValueError(f"is {value!r}, which can be a day or seconds; write {value[:4]}-{value[4:6]}-{value[6:]}")
        try:
            value = float(value)
        except ValueError:
            try:
                value = datetime.fromisoformat(value)
            except ValueError as error:
                raise ValueError(f"is {value!r}, which is neither ISO 8601 nor Unix seconds") from error
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_seconds(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise ValueError(f"is {value!r}, which is no time")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _from_seconds(seconds: float) -> datetime:
    if not abs(seconds) < LATEST_SECONDS:
        raise ValueError(f"is {seconds:g}, too large for Unix seconds; divide milliseconds by 1000")
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError as error:
        raise ValueError(f"is {seconds:g} seconds, outside of the calendar") from error
