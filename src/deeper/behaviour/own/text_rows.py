"""Read lines and rows of the user's ratings file as text: CSV with any common separator, or JSON lines.

The file may be gzipped.

A bad row is returned as an `Unreadable` in its place; a bad file raises a `UserError`.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from deeper.behaviour.published.records import MAX_CELL_CHARACTERS
from deeper.errors import UserError

MAX_BYTES = 4 * 2**30
"""Largest size of a file, unpacked; a small file that unpacks to more may be a zip bomb."""
MAX_LINE_CHARACTERS = 4 * MAX_CELL_CHARACTERS
SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
HEADER_LINES = 1000
"""JSON lines whose keys are the columns."""


@dataclass(frozen=True)
class Unreadable:
    """A row that cannot be read.

    Attributes:
        reason: What is wrong, in the same words for all such rows.
        message: The same with the details.
        rows: Lines of the file that it takes, which may be as many rows.
    """

    reason: str
    message: str
    rows: int = 1


Row = tuple[str, "Mapping[str, object] | Unreadable"]
"""A row's place in its file ("line 3"), and its values by column."""


@contextmanager
def unpacked(path: Path) -> Generator[BinaryIO]:
    """Open a file for reading bytes, unpacked if its name ends in .gz.

    Raises:
        UserError: The path is not a file; or, while reading: the file cannot be read, is truncated, or is too large.
    """
    if not path.is_file():
        what = "there is no such file" if not path.exists() else "this is not a file"
        raise UserError(what, where=str(path), do="give a file of ratings")
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as packed:
            yield io.BufferedReader(_LimitedReader(cast(BinaryIO, packed), str(path)), 1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"the file is truncated or damaged ({error})", where=str(path), do="download or compress it again"
        ) from error
    except OSError as error:
        raise UserError(
            f"the file cannot be read ({error.strerror or error})", where=str(path), do="check its permissions"
        ) from error


class _LimitedReader(io.RawIOBase):
    """Reads at most `MAX_BYTES`; a larger file raises."""

    def __init__(self, source: BinaryIO, where: str) -> None:
        self._source, self._left, self._where = source, MAX_BYTES, where

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            what = f"the file unpacks to more than {MAX_BYTES / 2**30:g} GiB"
            raise UserError(what, where=self._where, do="give a smaller file")
        buffer[: len(data)] = data
        return len(data)


def text_lines(path: Path) -> Iterator[str]:
    r"""Yield the lines of a UTF-8 file, each with "\n"; bytes that are not UTF-8 become lone surrogates.

    Raises:
        UserError: The file cannot be read, is empty, is binary or in another encoding, or a line is too long.
    """
    with unpacked(path) as source:
        head = cast(io.BufferedReader, source).peek(4096)[:4096]
        if not head:
            raise UserError("the file is empty", where=str(path), do="export it again, or use another file")
        if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head.count(0) > len(head) // 8:
            raise UserError("the file is not in UTF-8", where=str(path), do="save it as text in UTF-8")
        text = io.TextIOWrapper(source, "utf-8-sig", errors="surrogateescape", newline=None)
        number = 0
        while line := text.readline(MAX_LINE_CHARACTERS):
            number += 1
            if len(line) >= MAX_LINE_CHARACTERS:
                raise UserError(
                    f"the line has more than {MAX_LINE_CHARACTERS:,} characters",
                    where=f"{path}, line {number}",
                    do="give a text file with one rating a line",
                )
            yield line


def csv_header(path: Path) -> tuple[str, list[str]]:
    """Return the separator and the columns of a CSV file; the separator is the one that gives the most columns.

    Raises:
        UserError: The file cannot be read, or its first line is not a header.
    """
    first = next((line for line in text_lines(path) if line.strip()), None)
    if first is None:
        raise UserError("the file is empty", where=str(path), do="export it again, or use another file")
    found = [(separator, _cells(first, separator)) for separator in SEPARATORS]
    separator, header = max(found, key=lambda one: len(one[1]))
    _check_header(header, f"{path}, line 1")
    return separator, header


def csv_rows(path: Path, separator: str, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a CSV file, with the named columns; see `Row`."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL_CHARACTERS))  # one limit for the whole process
    reader = csv.reader(text_lines(path), delimiter=separator, strict=True)
    header: list[str] = []
    places: list[tuple[str, int]] = []
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
        if not row:
            continue
        if not header:
            header = [name.strip() for name in row]
            places = [(name, header.index(name)) for name in columns]
            continue
        where = _where(before, reader.line_num)
        if len(row) != len(header):
            message = f"has {len(row)} cells, the header {len(header)}"
            yield where, Unreadable("has too few or too many cells", message, reader.line_num - before)
        else:
            yield where, _checked_utf_8({name: row[place] for name, place in places})


def json_header(path: Path) -> list[str]:
    """Return the keys of the first objects of a file of JSON lines.

    Raises:
        UserError: The file cannot be read, or does not hold JSON lines.
    """
    names: dict[str, None] = {}
    for number, (_, row) in enumerate(_objects(path)):
        if number == HEADER_LINES:
            break
        if not isinstance(row, Unreadable):
            names.update(dict.fromkeys(row))
    return list(names)


def json_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of JSON lines, with the named columns; a missing value is None."""
    for where, row in _objects(path):
        yield where, row if isinstance(row, Unreadable) else {name: row.get(name) for name in columns}


def _objects(path: Path) -> Iterator[Row]:
    for number, line in enumerate(text_lines(path), 1):
        if number == 1 and line.lstrip().startswith("["):
            raise UserError(
                "the file is one JSON array", where=str(path), do="write one object a line: jq -c '.[]' converts it"
            )
        if line.strip():
            yield f"line {number}", _object(line)


def _object(line: str) -> Mapping[str, object] | Unreadable:
    try:
        value: object = json.loads(line, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        return Unreadable("is not valid JSON", f"is not valid JSON ({str(error)[:80]})")
    if not isinstance(value, dict):
        return Unreadable("is not a JSON object", "is not a JSON object")
    return cast(Mapping[str, object], value)


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _checked_utf_8(row: Mapping[str, object]) -> Mapping[str, object] | Unreadable:
    """The row, or `Unreadable` if it held bytes that are not UTF-8."""
    if any(
        not str(value).isascii() and any("\udc80" <= char <= "\udcff" for char in str(value)) for value in row.values()
    ):
        return Unreadable("is not in UTF-8", "is not in UTF-8")
    return row


def _where(before: int, after: int) -> str:
    return f"line {after}" if after <= before + 1 else f"lines {before + 1} to {after}"


def _cells(line: str, separator: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=separator, strict=True))]
    except csv.Error:
        return []


def _check_header(header: Sequence[str], where: str) -> None:
    if not header or any("\udc80" <= char <= "\udcff" for name in header for char in name):
        raise UserError(
            "the first line is not a header in UTF-8",
            where=where,
            do="write the names of the columns there, and save the file as text in UTF-8",
        )
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise UserError(f"two columns have the same name, {twice[0]!r}", where=where, do="rename one of them")
