"""Read a time from text: every form that can mean one time only.

ISO 8601; year, month and day in this order with any separator; month names in English; RFC 2822 and what programs
print ("Wed Oct 10 20:19:24 +0000 2018"). Day and month as two numbers before the year are read if one of them is above
12, or if `day_first` says which is the day. A zone is UTC or an offset: names such as EST mean several.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone

from deeper.behaviour.own.bad_values import BadValue, shown

MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip

_WEEKDAY = re.compile(r"^(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+", re.I)
_CLOCK = re.compile(r"(?<![\d:])(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:\s*([ap])\.?m\b\.?)?", re.I)
_AFTER_CLOCK = re.compile(
    r"\s*(?:Z|UTC|UT|GMT)?\s*(?P<offset>[+-]\d{2}(?::?\d{2})?)?(?:\s+UTC)?(?:\s+(?P<year>\d{4}))?", re.I
)
_COMMENT = re.compile(r"([+-]\d{2}:?\d{2}|GMT|UTC|Z)\s*\([^()]*\)$", re.I)
"""What RFC 2822 allows after a zone, such as its name."""
_NAME = r"(?P<name>[a-z]{3,9})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_NAMED = tuple(
    re.compile(form, re.I)
    for form in (
        rf"{_NAME}[-/\s]*{_DAY},?[-/\s]+(?P<year>\d{{2,4}})",
        rf"{_DAY}\.?(?:\s+of)?[-/\s]*{_NAME},?[-/\s]*(?P<year>\d{{2,4}})",
        rf"(?P<year>\d{{4}})[-/\s]*{_NAME}[-/\s]*{_DAY}",
    )
)
_YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})\s*[-/.年년 ]\s*(?P<month>\d{1,2})\s*[-/.月월 ]\s*(?P<day>\d{1,2})\s*[.日일]?"
)
_YEAR_LAST = re.compile(r"(?P<first>\d{1,2})([-/. ])\s?(?P<second>\d{1,2})(?:\2|,)\s?(?P<year>\d{4}|\d{2})")
_NO_DAY = re.compile(r"\d{4}[-/.]\d{1,2}|\d{1,2}[-/.]\d{4}|[a-z]{3,9}\.?,?[-/\s]+\d{4}", re.I)


class TwoDates(BadValue):
    """A text that is one date if the day comes first, and another if the month does."""


def read_date(text: str, day_first: bool | None = None) -> datetime:
    """Read a time from text that is more than a number.

    Args:
        text: Without blanks around it.
        day_first: Whether the day comes first in "03/04/2023"; None if that is not known.

    Returns:
        The time; UTC if the text names no zone, or no zone for ISO 8601.

    Raises:
        TwoDates: It can be two dates.
        BadValue: It is no date in a known form, or names no day.
    """
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    words = _COMMENT.sub(r"\1", text)
    clock = _CLOCK.search(words)
    after = _AFTER_CLOCK.fullmatch(words[clock.end() :]) if clock else None
    if clock and not after:
        raise _unreadable(text)
    date = words[: clock.start()] if clock else re.sub(r"(?<=[\d\s])(?:Z|UTC|GMT)$", "", words)
    date = re.sub(r"(?:T|,|\s|\bat\b)+$", "", _WEEKDAY.sub("", date, count=1))
    if after and after["year"]:
        date = f"{date} {after['year']}"
    year, month, day = _numbers(text, date, day_first)
    try:
        hour, minute, second, microsecond = _time_of_day(clock)
        return datetime(year, month, day, hour, minute, second, microsecond, _zone(after["offset"] if after else None))
    except ValueError as error:
        raise _unreadable(text) from error


def day_comes_first(values: Iterable[object]) -> bool | None:
    """Return whether the day comes before the month in a column's dates; None if they do not show it, or show both.

    The number that is above 12 somewhere is the day.
    """
    is_shown = {True: False, False: False}
    for value in values:
        found = _YEAR_LAST.match(_WEEKDAY.sub("", value.strip(), count=1)) if isinstance(value, str) else None
        if found:
            is_shown[True] |= int(found["first"]) > 12 >= int(found["second"])
            is_shown[False] |= int(found["second"]) > 12 >= int(found["first"])
    return is_shown[True] if is_shown[True] != is_shown[False] else None


def _numbers(text: str, date: str, day_first: bool | None) -> tuple[int, int, int]:
    """Year, month and day; `text` is the whole value, for messages."""
    if found := _YEAR_FIRST.fullmatch(date):
        return int(found["year"]), int(found["month"]), int(found["day"])
    if found := _YEAR_LAST.fullmatch(date):
        first, second = int(found["first"]), int(found["second"])
        year = _whole_year(found["year"], text)
        if day_first is None and first != second and {first, second} <= set(range(1, 13)):
            either = f"{first} {MONTHS[second - 1].title()} or {second} {MONTHS[first - 1].title()}"
            raise TwoDates("can be two dates", f"is {shown(text)}, which can be {either}")
        is_day_first = first > 12 if day_first is None else day_first
        return (year, second, first) if is_day_first else (year, first, second)
    for form in _NAMED:
        if (found := form.fullmatch(date)) and (month := _month(found["name"])):
            return _whole_year(found["year"], text), month, int(found["day"])
    if _NO_DAY.fullmatch(date):
        raise BadValue("names no day", f"is {shown(text)}, which names no day")
    raise _unreadable(text)


def _whole_year(year: str, text: str) -> int:
    if len(year) != 4:
        raise BadValue("has a year of two digits", f"is {shown(text)}; write its year with four digits")
    return int(year)


def _month(name: str) -> int:
    """The number of a month by its name, or the first three letters or more of it; 0 for other words."""
    word = name.lower()
    return next((i for i, month in enumerate(MONTHS, 1) if month.startswith(word) or (word == "sept" and i == 9)), 0)


def _time_of_day(clock: re.Match[str] | None) -> tuple[int, int, int, int]:
    if clock is None:
        return 0, 0, 0, 0
    hour, minute, second = (int(part or 0) for part in clock.group(1, 2, 3))
    if half := clock[5]:
        if not 1 <= hour <= 12:
            raise ValueError("no such hour")
        hour = hour % 12 + 12 * (half.lower() == "p")
    return hour, minute, second, int((clock[4] or "0").ljust(6, "0")[:6])


def _zone(offset: str | None) -> timezone:
    if not offset:
        return UTC
    size = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:].removeprefix(":") or 0))
    return timezone(-size if offset[0] == "-" else size)


def _unreadable(text: str) -> BadValue:
    words = "is neither ISO 8601 nor Unix seconds"
    return BadValue(words, f"is {shown(text)}, which {words}")
