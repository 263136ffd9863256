"""Choose the scale of a ratings file: as given, that of the site that exported it, or as the ratings show it."""

from collections.abc import Collection

import numpy as np

from deeper.behaviour.own.bad_values import BadValue, shown
from deeper.behaviour.own.meaning.personal_exports import PersonalExport
from deeper.behaviour.own.meaning.unrated import MARKS, is_blank
from deeper.behaviour.own.scale import SCALE_EXAMPLES, infer_scale, parse_scale, unclear_scale
from deeper.behaviour.own.table import OwnTable
from deeper.behaviour.own.text_rows import Unreadable
from deeper.behaviour.own.values import parse_number
from deeper.domains import Scale
from deeper.errors import UserError

MAX_DISTINCT_RATINGS = 10_000
"""Distinct ratings that are collected to infer a scale."""
NO_NUMBER = (
    "write numbers as 4.5 (4,5 is read where semicolons separate the cells), or name another column: "
    "--columns rating=COLUMN"
)
"""What to do about ratings that are no numbers."""


def choose_scale(
    source: OwnTable, column: str, given: str, unrated: Collection[float], export: PersonalExport | None
) -> tuple[Scale, str]:
    """Return the scale, and where it comes from in words.

    Args:
        source: The file.
        column: The column of the ratings.
        given: "MIN:MAX:STEP", or empty.
        unrated: Ratings that mean "not rated".
        export: The site's export that the file is, if it is a known one.

    Raises:
        UserError: The given scale is none, or the ratings do not show theirs.
    """
    if given:
        return parse_scale(given), "as given"
    distinct, first_bad = _distinct(source, column)
    if first_bad and not distinct:
        what, do = first_bad
        raise UserError(f"no rating can be read: {what}", where=str(source.path), do=do)
    ratings = distinct - set(unrated)
    other = "--scale MIN:MAX:STEP sets another"
    if export and all(export.scale.minimum <= rating <= export.scale.maximum for rating in ratings - set(MARKS)):
        return export.scale, f"that of {export.site}; {other}"
    if (scale := infer_scale(ratings)) is not None:
        return scale, f"derived from the ratings; {other}"
    marks = [f"{mark:g}" for mark in MARKS if mark in ratings]
    hint = f"give --unrated {','.join(marks)} if that means 'not rated', or the scale" if marks else "give it"
    raise UserError(unclear_scale(ratings), where=f"{source.path}, column {column}", do=f"{hint}: {SCALE_EXAMPLES}")


def suspected_marks(source: OwnTable, column: str, unrated: Collection[float]) -> list[float]:
    """Return the numbers that may mean "not rated" in ratings that do not show their scale.

    Args:
        source: The file.
        column: The column of the ratings.
        unrated: Ratings that are known to mean "not rated".
    """
    ratings = _distinct(source, column)[0] - set(unrated)
    return [mark for mark in MARKS if mark in ratings] if infer_scale(ratings) is None else []


def _distinct(source: OwnTable, column: str) -> tuple[set[float], tuple[str, str] | None]:
    """The distinct finite numbers of a column, up to a limit; and the first row without one, with what to do."""
    distinct: set[float] = set()
    first_bad: tuple[str, str] | None = None
    for where, row in source.rows([column]):
        if isinstance(row, Unreadable):
            first_bad = first_bad or (f"{where} {row.message}", row.do or "correct this line and all like it")
            continue
        if is_blank(row[column]):
            continue
        try:
            rating = parse_number(source.number(row[column]))
        except BadValue:
            what = f"{shown(row[column])} is no number ({where}, column {column})"
            first_bad = first_bad or (what, NO_NUMBER)
            continue
        if np.isfinite(rating) and len(distinct) < MAX_DISTINCT_RATINGS:
            distinct.add(rating)
    return distinct, first_bad
