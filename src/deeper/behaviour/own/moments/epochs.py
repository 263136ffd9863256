"""Read a time from a number: Unix seconds, milliseconds, microseconds or nanoseconds.

Its size shows the unit: seconds to the year 5138, the others from 1973 to 2286. A year, a date without separators and
the day number of a spreadsheet are numbers too; they are refused.
"""

import re
from datetime import UTC, datetime, timedelta

from deeper.behaviour.own.bad_values import BadValue, shown

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = ((-(10**11), 10**11, 1), (10**11, 10**13, 10**3), (10**14, 10**16, 10**6), (10**17, 10**19, 10**9))
"""From, up to, and units in a second. What lies between is no Unix time."""
YEARS = range(1000, 3000)
DAY_NUMBERS = range(20_000, 80_000)
"""Spreadsheets count days from 1900: these are 1954 to 2119."""
MAX_DIGITS = 30
"""Longer numbers become floats: Python refuses to read whole numbers of thousands of digits."""

_MONTH = r"(?P<year>(?:19|20)[0-9]{2})(?P<month>0[1-9]|1[0-2])"
_DAY = rf"{_MONTH}(?P<day>0[1-9]|[12][0-9]|3[01])"
_MINUTE = r"(?:[01][0-9]|2[0-3])[0-5][0-9]"
_ONLY_MONTH = re.compile(_MONTH)
_DAY_OR_MINUTE = re.compile(rf"{_DAY}(?P<minute>{_MINUTE})?")
_SECOND = re.compile(rf"{_DAY}{_MINUTE}[0-5][0-9]")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")
_EXPONENT = re.compile(r"[0-9](?:[.,]([0-9]*))?e\+?([0-9]{1,3})", re.I)


def read_digits(text: str) -> float | datetime | None:
    """Read text that is only a number; None if it is more.

    Returns:
        The number, or the time of 14 digits such as 20230501183000, which are a Unix time in no unit.

    Raises:
        BadValue: A spreadsheet has rounded it.
    """
    if _SECOND.fullmatch(text):
        try:
            return datetime.strptime(text, "%Y%m%d%H%M%S")
        except ValueError as error:
            raise BadValue("is outside the calendar", f"is {shown(text)}, outside the calendar") from error
    if _NUMBER.fullmatch(text):
        return int(text) if "." not in text and len(text) <= MAX_DIGITS else float(text)
    if found := _EXPONENT.fullmatch(text):
        if len(found[1] or "") < int(found[2]):
            raise BadValue("is a rounded number", f"is {shown(text)}, which a spreadsheet has rounded")
        return float(text.replace(",", "."))
    return None


def from_number(number: float, said: str) -> datetime:
    """Return the time of a Unix time in any unit.

    Args:
        number: The Unix time.
        said: The number as it was given, for messages.

    Raises:
        BadValue: It is too large, or can be a date.
    """
    if 0 <= number < UNITS[1][1]:
        _refuse_date(number, said)
    unit = next((unit for first, end, unit in UNITS if first <= number < end), None)
    if unit is None:
        raise BadValue("is no Unix time", f"is {said}, no Unix time in seconds, milli-, micro- or nanoseconds")
    try:
        if isinstance(number, int):
            return EPOCH + timedelta(microseconds=number * 10**6 // unit)
        return EPOCH + timedelta(seconds=number / unit)
    except OverflowError as error:
        raise BadValue("is outside the calendar", f"is {said} seconds, outside the calendar") from error


def _refuse_date(number: float, said: str) -> None:
    """Refuse a number that can be a date: a year, a spreadsheet's day number, or the digits of a date."""
    whole = int(number)
    if whole in YEARS and whole == number:
        raise BadValue("is only a year", f"is {said}, which is only a year")
    if whole in DAY_NUMBERS:
        raise BadValue("is a spreadsheet's day number", f"is {said}, which a spreadsheet writes for a day")
    if whole == number and _ONLY_MONTH.fullmatch(str(whole)):
        raise BadValue("can be a month or seconds", f"is {said}, which can be a month or seconds")
    if whole == number and (found := _DAY_OR_MINUTE.fullmatch(str(whole))):
        unit = "milliseconds" if found["minute"] else "seconds"
        written = "-".join(found.group("year", "month", "day"))
        raise BadValue(f"can be a day or {unit}", f"is {said}, which can be a day or {unit}; write {written}")
