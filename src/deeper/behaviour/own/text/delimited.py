"""Read CSV as programs write it: any common separator, a line `sep=;` before the header, or no header at all."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from deeper.behaviour.own.columns import COLUMN_NAMES
from deeper.behaviour.own.text.encodings import is_undecoded
from deeper.behaviour.own.text_rows import Row, Unreadable, text_lines, wrong_encoding
from deeper.behaviour.published.records import MAX_CELL_CHARACTERS
from deeper.errors import UserError

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars", "::": "double colons"}
FIRST_LINES = 20
"""Lines among which the header must be; its names may hold line ends."""

_NAMES_ITSELF = re.compile(r'"?sep=(::|\t|[^\w\s"])"?', re.I)
"""A first line that only names the separator, as spreadsheets write it."""
_NUMBER = re.compile(r"\s*[+-]?[0-9]+(?:[.,][0-9]+)?\s*")
_KNOWN_NAMES = {name for groups in COLUMN_NAMES.values() for group in groups for name in group}


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Attributes:
        separator: What separates its cells; one of `SEPARATORS`, or another that the file names.
        header: The name of each column, in their order; without a header their numbers from 1, as text.
        has_header: Whether the file has a header.
    """

    separator: str
    header: Sequence[str]
    has_header: bool


def find_dialect(path: Path, encoding: str = "") -> Dialect:
    """Return how a CSV file is written; the separator is the one that gives the most columns.

    Raises:
        UserError: The file cannot be read, or its first line is neither a header nor a row.
    """
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL_CHARACTERS))  # one limit for the whole process
    lines = [line for line in islice(text_lines(path, encoding), FIRST_LINES) if line.strip()]
    if not lines:
        raise UserError("the file is empty", where=str(path), do="export it again, or use another file")
    named = _NAMES_ITSELF.fullmatch(lines[0].rstrip("\n"))
    separators = [named[1]] if named else SEPARATORS
    found = [(separator, _first_row(lines[bool(named) :], separator)) for separator in separators]
    # Titles hold commas, but two double colons in a line are no accident.
    separator, header = max(found, key=lambda one: (one[0] == "::" and len(one[1]) > 2, len(one[1])))
    _check_header(header, encoding, f"{path}, line 1")
    has_header = _is_header(header)
    return Dialect(separator, header if has_header else [str(i + 1) for i in range(len(header))], has_header)


def csv_rows(path: Path, encoding: str, dialect: Dialect, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a CSV file, with the named columns; see `Row`."""
    reader = _reader(text_lines(path, encoding), dialect.separator)
    header = dialect.header
    places = [(name, header.index(name)) for name in columns]
    fewest = max(place + 1 for place, name in enumerate(header) if name)  # later columns are empty, and may be missing
    is_before_rows = True
    while True:
        before = reader.line_num
        try:
            row = next(reader, None)
        except csv.Error as error:
            bad = Unreadable("is not valid CSV", f"is not valid CSV ({error})", max(1, reader.line_num - before))
            yield _where(before, reader.line_num), bad
            continue
        if row is None:
            return
        if is_before_rows:
            if _is_blank(row) or _NAMES_ITSELF.fullmatch(dialect.separator.join(row)):
                continue
            is_before_rows = False
            if dialect.has_header:
                continue
        if not row:
            continue
        where = _where(before, reader.line_num)
        if fewest <= len(row) <= len(header):
            values = {name: row[place] for name, place in places}
            wrong = next((value for value in values.values() if is_undecoded(value)), None)
            yield where, values if wrong is None else wrong_encoding(wrong, encoding)
        else:
            message = f"has {len(row)} cells, the header {len(header)}"
            yield where, Unreadable("has too few or too many cells", message, reader.line_num - before)


def _reader(lines: Iterable[str], separator: str) -> Any:
    """A reader of rows. Files that are separated by double colons have no quotes."""
    if len(separator) == 1:
        return csv.reader(lines, delimiter=separator, strict=True)
    return csv.reader(
        (line.replace(separator, "\x1f") for line in lines), delimiter="\x1f", quoting=csv.QUOTE_NONE, strict=True
    )


def _first_row(lines: Iterable[str], separator: str) -> list[str]:
    try:
        return next(([name.strip() for name in row] for row in _reader(lines, separator) if not _is_blank(row)), [])
    except csv.Error:
        return []


def _is_blank(row: Sequence[str]) -> bool:
    return not any(cell.strip() for cell in row)


def _is_header(row: Sequence[str]) -> bool:
    """Whether a first row names columns: a cell is a usual name, or none is a number."""
    letters = {"".join(filter(str.isalnum, cell.casefold())) for cell in row}
    return bool(letters & _KNOWN_NAMES) or not any(_NUMBER.fullmatch(cell) for cell in row)


def _check_header(header: Sequence[str], encoding: str, where: str) -> None:
    if wrong := next((name for name in header if is_undecoded(name)), None):
        what = "the first line is not a header in UTF-8"
        raise UserError(what, where=where, do=wrong_encoding(wrong, encoding).do)
    if not header:
        raise UserError("the first line is not a header", where=where, do="write the names of the columns there")


def _where(before: int, after: int) -> str:
    return f"line {after}" if after <= before + 1 else f"lines {before + 1} to {after}"
