"""Parse and format one record of the published files, without loss.

Both forms hold a user's windows in the published notation (`U3` the ratings and `I3` the titles of window 3):

- a *context*: a JSON object with the previous, current and future window of one iteration,
- a *wide row*: a CSV row with windows 0, 1, … each a Python literal `{'items': […], 'ratings': […]}`.

Nothing is mended here: parsing and formatting a record gives it back unchanged.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from deeper.errors import UserError

MAX_CELL_CHARACTERS = 1_000_000
"""A longer CSV cell is refused before parsing: a literal takes memory of about a hundred times its length."""

_COLUMN = re.compile(r"windows_([0-9]{1,4})")
_AS_PUBLISHED = "restore the record from the published file"


@dataclass(frozen=True)
class RawWindow:
    """The titles and the ratings of one window as they are in the file; their numbers may differ."""

    titles: tuple[str, ...]
    ratings: tuple[int | float, ...]


@dataclass(frozen=True)
class Record:
    """One line of a published file.

    Attributes:
        user: The anonymised id.
        iteration: Number of a context's current window, from 1; None for a wide row.
        other: All other fields (`dataset_name`, `item_type`, `split`, …), in their order.
        windows: The windows by their number k.
    """

    user: str
    iteration: int | None
    other: Mapping[str, object]
    windows: Mapping[int, RawWindow]

    @property
    def dataset_name(self) -> str:
        """The published name of the domain."""
        return str(self.other["dataset_name"])


def require_text(record: Mapping[str, object], key: str, where: str) -> str:
    """Return the text under a key.

    Raises:
        UserError: The key is missing, or its value is not text or not valid Unicode.
    """
    value = require(record, key, where)
    if not isinstance(value, str):
        raise UserError(f"{key!r} is not text but {type(value).__name__}", where=where, do=_AS_PUBLISHED)
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise UserError(f"{key!r} is not valid Unicode (it holds a lone surrogate)", where=where, do=_AS_PUBLISHED)
    return value


def require(record: Mapping[str, object], key: str, where: str) -> object:
    """Return the value under a key.

    Raises:
        UserError: The key is missing.
    """
    if key not in record:
        raise UserError(f"the record has no {key!r}", where=where, do=_AS_PUBLISHED)
    return record[key]


def require_name(record: Mapping[str, object], key: str, where: str) -> str:
    """Return the id or name under a key: text of printable characters.

    Raises:
        UserError: The key is missing, or its value is not such a text.
    """
    value = require_text(record, key, where)
    if not (value.strip() and value.isprintable()):
        raise UserError(f"{key!r} is empty or holds control characters", where=where, do=_AS_PUBLISHED)
    return value


def parse_context(record: Mapping[str, object], where: str) -> Record:
    """Parse a context: `id`, `iteration` k, `dataset_name`, and `U` and `I` of k-1, k and k+1.

    Args:
        record: The JSON object.
        where: File and row, for messages.

    Raises:
        UserError: A key is missing, or its value is of the wrong type.
    """
    iteration = require(record, "iteration", where)
    if not isinstance(iteration, int) or isinstance(iteration, bool) or iteration < 1:
        raise UserError(f"'iteration' is not a whole number above 0: {iteration!r:.40}", where=where, do=_AS_PUBLISHED)
    numbers = range(iteration - 1, iteration + 2)
    windows = {
        k: RawWindow(
            _titles(require(record, f"I{k}", where), f"{where}, I{k}"),
            _ratings(require(record, f"U{k}", where), f"{where}, U{k}"),
        )
        for k in numbers
    }
    parsed = {"id", "iteration", *(f"{letter}{k}" for k in numbers for letter in "UI")}
    return Record(
        user=require_name(record, "id", where),
        iteration=iteration,
        other=_other(record, parsed, where),
        windows=windows,
    )


def format_context(record: Record) -> dict[str, object]:
    """Return the JSON object of a context, its keys in the published order."""
    return {
        "id": record.user,
        "iteration": record.iteration,
        **record.other,
        **{f"U{k}": list(window.ratings) for k, window in record.windows.items()},
        **{f"I{k}": list(window.titles) for k, window in record.windows.items()},
    }


def parse_wide(row: Mapping[str, str], where: str) -> Record:
    """Parse a wide row: `id`, `dataset_name`, and `windows_0`, `windows_1`, …; an empty cell means no window.

    Args:
        row: The cells by column name.
        where: File and row, for messages.

    Raises:
        UserError: A column is missing, or a cell is not a window's literal.
    """
    cells = {int(match[1]): cell for column, cell in row.items() if (match := _COLUMN.fullmatch(column))}
    require(row, "windows_0", where)
    return Record(
        user=require_name(row, "id", where),
        iteration=None,
        other=_other(row, {"id", *(f"windows_{k}" for k in cells)}, where),
        windows={k: parse_literal(cell, f"{where}, windows_{k}") for k, cell in sorted(cells.items()) if cell},
    )


def format_wide(record: Record, columns: int) -> dict[str, str]:
    """Return the cells of a wide row, in the published order.

    Args:
        record: The record.
        columns: Number of window columns; a missing window is an empty cell.
    """
    return {
        "id": record.user,
        **{column: str(value) for column, value in record.other.items()},
        **{f"windows_{k}": format_literal(record.windows[k]) if k in record.windows else "" for k in range(columns)},
    }


def parse_literal(cell: str, where: str) -> RawWindow:
    """Parse the Python literal of a window.

    Args:
        cell: `{'items': [titles], 'ratings': [numbers]}`, at most `MAX_CELL_CHARACTERS` long.
        where: File, row and column, for messages.

    Raises:
        UserError: The cell is too long, or not of that form.
    """
    if len(cell) > MAX_CELL_CHARACTERS:
        raise UserError(f"the cell is longer than {MAX_CELL_CHARACTERS:,} characters", where=where, do=_AS_PUBLISHED)
    try:
        value: object = ast.literal_eval(cell)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise UserError("the cell is not a Python literal", where=where, do=_AS_PUBLISHED) from error
    if not isinstance(value, dict) or set(cast(dict[object, object], value)) != {"items", "ratings"}:
        raise UserError(
            "the cell is not {'items': […], 'ratings': […]}", where=where, do="write the window in that form"
        )
    window = cast(dict[str, object], value)
    return RawWindow(_titles(window["items"], where), _ratings(window["ratings"], where))


def format_literal(window: RawWindow) -> str:
    """Return the Python literal of a window."""
    return repr({"items": list(window.titles), "ratings": list(window.ratings)})


def _other(record: Mapping[str, object], parsed: set[str], where: str) -> dict[str, object]:
    require_name(record, "dataset_name", where)
    return {key: value for key, value in record.items() if key not in parsed}


def _titles(value: object, where: str) -> tuple[str, ...]:
    titles = tuple(cast(list[object], value)) if isinstance(value, list) else None
    if titles is None or not all(isinstance(title, str) for title in titles):
        raise UserError("the titles are not a list of texts", where=where, do=_AS_PUBLISHED)
    return cast(tuple[str, ...], titles)


def _ratings(value: object, where: str) -> tuple[int | float, ...]:
    ratings = tuple(cast(list[object], value)) if isinstance(value, list) else None
    if ratings is None or not all(
        isinstance(rating, int | float) and not isinstance(rating, bool) for rating in ratings
    ):
        raise UserError("the ratings are not a list of numbers", where=where, do=_AS_PUBLISHED)
    return cast(tuple[int | float, ...], ratings)
