"""Read the rows of the user's ratings: CSV, JSON or Parquet, optionally gzipped, or a table in memory."""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.own.handed import as_table, plain_times
from deeper.behaviour.own.text.delimited import SEPARATORS, csv_rows, find_dialect
from deeper.behaviour.own.text.json_rows import json_header, json_rows
from deeper.behaviour.own.text_rows import (
    MAX_BYTES,
    Row,
    Unreadable,
    decoded,
    unpacked,
)
from deeper.errors import UserError

MAX_ROWS = 10_000_000
ENDINGS = {
    "csv": (".csv", ".tsv", ".tab", ".txt", ".dat", ".data"),
    "json": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet", ".pq"),
}
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz")
BATCH_ROWS = 1 << 14

ReadRows = Callable[[Sequence[str]], Iterator[Row]]
"""Reads rows from the start, with the named columns."""

_DECIMAL_COMMA = re.compile(r"\s*[+-]?[0-9]+,[0-9]+\s*")


@dataclass(frozen=True)
class OwnTable:
    """An opened file, or a table that Python has handed in.

    Attributes:
        path: The file.
        format: Its format, in words.
        columns: The names of its columns, each once.
        rows: Reads the rows from the start, with the named columns.
        repeated: The names that several columns have.
        has_header: Whether the file names its columns; otherwise their names are "1", "2" and so on.
        has_decimal_commas: Whether numbers may have a comma for a point.
    """

    path: Path
    format: str
    columns: Sequence[str]
    rows: ReadRows
    repeated: frozenset[str]
    has_header: bool = True
    has_decimal_commas: bool = False

    def check_unique(self, columns: Iterable[str]) -> None:
        """Refuse to use a column whose name another one has too.

        Raises:
            UserError: There is such a column.
        """
        if twice := sorted(self.repeated & set(columns)):
            what = f"two columns have the same name, {twice[0]!r}"
            raise UserError(what, where=str(self.path), do="rename one of them")

    def number(self, value: object) -> object:
        """Return a value that should be a number; text has a point where the file writes a comma."""
        if self.has_decimal_commas and isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value):
            return value.replace(",", ".")
        return value


def open_table(path: Path, encoding: str = "") -> OwnTable:
    """Open a file: its name shows the format, its first lines show the columns.

    Args:
        path: The file.
        encoding: The encoding of a text file; empty for UTF-8, or what its byte order mark says.

    Raises:
        UserError: The file's ending is unknown, or the file cannot be read.
    """
    is_gzip = path.suffix.lower() == ".gz"
    ending = Path(path.stem).suffix.lower() if is_gzip else path.suffix.lower()
    file_format = next((name for name, endings in ENDINGS.items() if ending in endings), None)
    packing = ", gzip" if is_gzip else ""
    match file_format:
        case "csv":
            dialect = find_dialect(path, encoding)
            words = f"CSV, separated by {SEPARATORS.get(dialect.separator, repr(dialect.separator))}{packing}"
            read = _decoded(path, partial(csv_rows, path, encoding, dialect))
            has_commas = dialect.separator == ";"
            return _table(path, words, dialect.header, read, dialect.has_header, has_commas)
        case "json":
            read = _decoded(path, partial(json_rows, path, encoding))
            return _table(path, f"JSON{packing}", json_header(path, encoding), read)
        case "parquet":
            with unpacked(path) as source, _errors(path):
                header = _parquet(path, source).schema_arrow.names
            return _table(path, f"Parquet{packing}", header, partial(_parquet_rows, path))
        case _:
            raise _unknown_ending(path, ending)


def handed_table(rows: object) -> OwnTable:
    """Open a data frame or an Arrow table that Python hands in.

    Raises:
        UserError: It cannot be read as an Arrow table.
    """
    table = as_table(rows)

    def read(columns: Sequence[str]) -> Iterator[Row]:
        return _numbered(table.select(list(columns)).to_batches(max_chunksize=BATCH_ROWS))

    return _table(Path("table"), "a table in memory", table.column_names, read)


def _table(
    path: Path, words: str, header: Sequence[str], rows: ReadRows, has_header: bool = True, has_commas: bool = False
) -> OwnTable:
    names = list(dict.fromkeys(header))
    repeated = frozenset(name for name in names if header.count(name) > 1)
    return OwnTable(path, words, names, partial(_limited, path, rows), repeated, has_header, has_commas)


def _limited(path: Path, rows: ReadRows, columns: Sequence[str]) -> Iterator[Row]:
    for number, row in enumerate(rows(columns)):
        if number == MAX_ROWS:
            raise UserError(f"the file has more than {MAX_ROWS:,} rows", where=str(path), do="give a smaller file")
        yield row


def _decoded(path: Path, rows: ReadRows) -> ReadRows:
    return lambda columns: decoded(rows(columns), path)


def _unknown_ending(path: Path, ending: str) -> UserError:
    endings = ", ".join(ending for endings in ENDINGS.values() for ending in endings)
    do = f"give a file that ends in {endings}, or one of these with .gz"
    if ending in SPREADSHEETS:
        do = "save the sheet as CSV (UTF-8), and give that file"
    elif ending in ARCHIVES:
        do = "unpack it, and give the file of ratings in it"
    return UserError(f"the ending {ending!r} is not a known format", where=str(path), do=do)


def _parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    with unpacked(path) as source, _errors(path):
        yield from _numbered(
            plain_times(batch)
            for batch in _parquet(path, source).iter_batches(columns=list(columns), batch_size=BATCH_ROWS)
        )


def _numbered(batches: Iterable[pa.RecordBatch]) -> Iterator[Row]:
    for number, values in enumerate((values for batch in batches for values in _values(batch)), 1):
        yield f"row {number}", values


def _parquet(path: Path, source: Any) -> pq.ParquetFile:
    """Open a Parquet file; a gzipped one is unpacked into memory."""
    if not path.stat().st_size:
        raise UserError("the file is empty", where=str(path), do="export it again, or use another file")
    file = pq.ParquetFile(pa.BufferReader(source.read()) if path.suffix.lower() == ".gz" else path)
    groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
    if sum(group.total_byte_size for group in groups) > MAX_BYTES:
        raise UserError(
            f"the file unpacks to more than {MAX_BYTES / 2**30:g} GiB", where=str(path), do="give a smaller file"
        )
    return file


@contextmanager
def _errors(path: Path) -> Generator[None]:
    """Turn what pyarrow raises on a damaged file into a message."""
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"not a readable Parquet file ({error})", where=str(path), do="export it again") from error


def _values(batch: pa.RecordBatch) -> Iterator[Any]:
    """The rows of a batch; one with a value that Python cannot hold (bad UTF-8, the year 10,000) is `Unreadable`."""
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError):
        for i in range(batch.num_rows):
            try:
                yield batch.slice(i, 1).to_pylist()[0]
            except (ValueError, OverflowError) as error:
                yield Unreadable("cannot be read", f"cannot be read ({error})")
