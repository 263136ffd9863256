"""Read the lines of the user's ratings file, which may be gzipped.

`text.delimited` reads CSV, and `text.json_rows` JSON.

A bad row is returned as an `Unreadable` in its place; a bad file raises a `UserError`.
"""

import gzip
import io
import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from deeper.behaviour.own.text.encodings import find_encoding, likely_encoding
from deeper.behaviour.published.records import MAX_CELL_CHARACTERS
from deeper.errors import UserError

MAX_BYTES = 4 * 2**30
"""Largest size of a file, unpacked; a small file that unpacks to more may be a zip bomb."""
MAX_LINE_CHARACTERS = 4 * MAX_CELL_CHARACTERS


@dataclass(frozen=True)
class Unreadable:
    """A row that cannot be read.

    Attributes:
        reason: What is wrong, in the same words for all such rows.
        message: The same with the details.
        rows: Lines of the file that it takes, which may be as many rows.
        do: What to do about it, if that is known.
    """

    reason: str
    message: str
    rows: int = 1
    do: str = ""


class WrongEncoding(Unreadable):
    """A row with bytes that are not in the encoding that its file is read in."""


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


@contextmanager
def opened_text(path: Path, encoding: str = "") -> Generator[io.TextIOWrapper]:
    """Open a file for reading text; bytes that are not in the encoding become lone surrogates.

    Args:
        path: The file.
        encoding: Its encoding; empty for UTF-8, or what its byte order mark says.

    Raises:
        UserError: The file cannot be read, is empty, is binary or in another encoding.
    """
    with unpacked(path) as source:
        head = cast(io.BufferedReader, source).peek(4096)[:4096]
        if not head:
            raise UserError("the file is empty", where=str(path), do="export it again, or use another file")
        yield io.TextIOWrapper(source, find_encoding(head, encoding, str(path)), errors="surrogateescape", newline=None)


def text_lines(path: Path, encoding: str = "") -> Iterator[str]:
    r"""Yield the lines of a file, each with "\n"; bytes that are not in the encoding become lone surrogates.

    Args:
        path: The file.
        encoding: Its encoding; empty for UTF-8, or what its byte order mark says.

    Raises:
        UserError: The file cannot be read, is empty, is binary or in another encoding, or a line is too long.
    """
    with opened_text(path, encoding) as text:
        number = 0
        try:
            while line := text.readline(MAX_LINE_CHARACTERS):
                number += 1
                if len(line) >= MAX_LINE_CHARACTERS:
                    raise UserError(
                        f"the line has more than {MAX_LINE_CHARACTERS:,} characters",
                        where=f"{path}, line {number}",
                        do="give a text file with one rating a line",
                    )
                yield line if number > 1 else line.removeprefix("\ufeff")
        except UnicodeError as error:
            what = f"the file is not in {text.encoding} ({error})"
            do = "give another --encoding, or save the file in UTF-8"
            raise UserError(what, where=f"{path}, line {number + 1}", do=do) from error


def wrong_encoding(text: str, encoding: str) -> WrongEncoding:
    """Return what a row is that holds a text with bytes in another encoding than its file is read in."""
    said, (name, read) = encoding or "UTF-8", likely_encoding(text)
    guess = f"give --encoding {name} if {read!r} is right, else the file's own encoding; or save it in UTF-8"
    return WrongEncoding(f"is not in {said}", f"is not in {said}", do="give another --encoding" if encoding else guess)


def decoded(rows: Iterable[Row], path: Path) -> Iterator[Row]:
    """Yield rows.

    Raises:
        UserError: At the end, if some were in a wrong encoding and no other row shows that the encoding is right.
    """
    first: tuple[str, WrongEncoding] | None = None
    is_shown = False
    for where, row in rows:
        if isinstance(row, WrongEncoding):
            first = first or (where, row)
        elif not isinstance(row, Unreadable):
            is_shown = is_shown or any(isinstance(value, str) and not value.isascii() for value in row.values())
        yield where, row
    if first and not is_shown:
        where, bad = first
        raise UserError(f"{where} {bad.message}", where=str(path), do=bad.do)
