"""Lines and rows of text files of own ratings: CSV with any usual separator, and JSON lines; gzip is taken off.

What is wrong with one row is handed on as an `Unreadable` in its place; what is wrong with the file ends with a
`UserError`.
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
"""Of a file, unpacked: a small file that unpacks to more is a trap or too large for this reader."""
MAX_LINE = 4 * MAX_CELL_CHARACTERS
SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
HEAD_LINES = 1000
"""JSON lines whose keys are taken for the columns."""


@dataclass(frozen=True)
class Unreadable:
    """A row that cannot be read.

    Attributes:
        kind: What is wrong, in the same words for all such rows.
        said: The same with what stands there.
        rows: How many lines of the file it takes, and so perhaps how many rows.
    """

    kind: str
    said: str
    rows: int = 1


Row = tuple[str, "Mapping[str, object] | Unreadable"]
"""Where a row stands in its file ("line 3"), and its values by column."""


@contextmanager
def unpacked(path: Path) -> Generator[BinaryIO]:
    """The bytes of a file, gzip taken off if its name ends in .gz.

    Raises:
        UserError: Also while it is read: it is no file, cannot be read, is cut off, or is too large.
    """
    if not path.is_file():
        what = "there is no such file" if not path.exists() else "this is not a file"
        raise UserError(what, where=str(path), do="give a file of ratings")
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as packed:
            yield io.BufferedReader(_Limited(cast(BinaryIO, packed), str(path)), 1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"the file is cut off or damaged ({error})", where=str(path), do="fetch or pack it again"
        ) from error
    except OSError as error:
        raise UserError(f"the file cannot be read ({error.strerror or error})", where=str(path)) from error


class _Limited(io.RawIOBase):
    """Reads on until `MAX_BYTES`."""

    def __init__(self, source: BinaryIO, where: str) -> None:
        self._source, self._left, self._where = source, MAX_BYTES, where

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            what = f"the file unpacks to more than {MAX_BYTES / 2**30:g} GiB"
            raise UserError(what, where=self._where, do="give a part of it")
        buffer[: len(data)] = data
        return len(data)


def text_lines(path: Path) -> Iterator[str]:
    r"""The lines of a UTF-8 file, each with "\n"; bytes that are no UTF-8 become lone surrogates.

    Raises:
        UserError: The file cannot be read, is empty, in another encoding or binary, or a line is too long.
    """
    with unpacked(path) as source:
        head = cast(io.BufferedReader, source).peek(4096)[:4096]
        if not head:
            raise UserError("the file is empty", where=str(path), do="write it again, or remove it")
        if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head.count(0) > len(head) // 8:
            raise UserError("the file is not in UTF-8", where=str(path), do="save it as text in UTF-8")
        text = io.TextIOWrapper(source, "utf-8-sig", errors="surrogateescape", newline=None)
        number = 0
        while line := text.readline(MAX_LINE):
            number += 1
            if len(line) >= MAX_LINE:
                raise UserError(
                    f"the line has more than {MAX_LINE} characters",
                    where=f"{path}, line {number}",
                    do="give a text file with one rating a line",
                )
            yield line


def csv_header(path: Path) -> tuple[str, list[str]]:
    """The separator and the columns of a CSV file: the separator that gives the most columns.

    Raises:
        UserError: The file cannot be read, or its first line is no header.
    """
    first = next((line for line in text_lines(path) if line.strip()), None)
    if first is None:
        raise UserError("the file is empty", where=str(path), do="write it again, or remove it")
    found = [(separator, _cells(first, separator)) for separator in SEPARATORS]
    separator, header = max(found, key=lambda one: len(one[1]))
    _check_header(header, f"{path}, line 1")
    return separator, header


def csv_rows(path: Path, separator: str, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a CSV file, with the named columns; see `Row`."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL_CHARACTERS))  # one for the whole process
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
            said = f"has {len(row)} cells, the header {len(header)}"
            yield where, Unreadable("has too few or too many cells", said, reader.line_num - before)
        else:
            yield where, _in_utf_8({name: row[place] for name, place in places})


def json_header(path: Path) -> list[str]:
    """The keys of the first objects of JSON lines.

    Raises:
        UserError: The file cannot be read, or holds something else than JSON lines.
    """
    names: dict[str, None] = {}
    for number, (_, row) in enumerate(_objects(path)):
        if number == HEAD_LINES:
            break
        if not isinstance(row, Unreadable):
            names.update(dict.fromkeys(row))
    return list(names)


def json_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of JSON lines, with the named columns; one that an object lacks is None."""
    for where, row in _objects(path):
        yield where, row if isinstance(row, Unreadable) else {name: row.get(name) for name in columns}


def _objects(path: Path) -> Iterator[Row]:
    for number, line in enumerate(text_lines(path), 1):
        if number == 1 and line.lstrip().startswith("["):
            raise UserError(
                "the file is one JSON array", where=str(path), do="write one object a line, as jq -c '.[]' does"
            )
        if line.strip():
            yield f"line {number}", _object(line)


def _object(line: str) -> Mapping[str, object] | Unreadable:
    try:
        value: object = json.loads(line, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        return Unreadable("is not valid JSON", f"is not valid JSON ({str(error)[:80]})")
    if not isinstance(value, dict):
        return Unreadable("is no JSON object", "is no JSON object")
    return cast(Mapping[str, object], value)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _in_utf_8(row: Mapping[str, object]) -> Mapping[str, object] | Unreadable:
    """The row; one that holds bytes that were no UTF-8 cannot be read."""
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
        raise UserError("the first line names no columns in UTF-8", where=where, do="save the file as text in UTF-8")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise UserError(f"two columns have one name, {twice[0]!r}", where=where, do="rename one of them")
