"""Tell rows without a rating from rows that cannot be read: blank cells, and numbers that mean "not rated"."""

import math
from collections.abc import Collection

from deeper.behaviour.own.bad_values import BadValue
from deeper.behaviour.own.values import parse_number
from deeper.domains import Scale

BLANK = "blank"
BLANKS = frozenset({"", "-", "na", "n/a", "#n/a", "<na>", "nan", "null", "none"})
"""What spreadsheets, pandas and databases write into an empty cell."""
MARKS = (0.0, -1.0)
"""Numbers that many sites write for "not rated". Below the scale they cannot be ratings."""


def is_blank(value: object) -> bool:
    """Return whether a cell is empty: no value, only blanks, NaN, or a word for nothing."""
    if isinstance(value, str):
        return value.strip().casefold() in BLANKS
    return value is None or (isinstance(value, float) and math.isnan(value))


def unrated_mark(value: object, scale: Scale, given: Collection[float] = ()) -> str:
    """Return how a row says that its item is not rated: "blank", or the number; empty if the item is rated.

    Args:
        value: The rating as the file has it.
        scale: The scale. One of `MARKS` below it means "not rated".
        given: More numbers that mean "not rated".
    """
    if is_blank(value):
        return BLANK
    try:
        number = parse_number(value)
    except BadValue:
        return ""
    return f"{number:g}" if number in given or (number in MARKS and number < scale.minimum) else ""
