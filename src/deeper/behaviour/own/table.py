"""Read the rows of the user's ratings file: CSV, JSON lines or Parquet, optionally gzipped."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.own.text_rows import (
    MAX_BYTES,
    SEPARATORS,
    Row,
    Unreadable,
    csv_header,
    csv_rows,
    json_header,
    json_rows,
    unpacked,
)
from deeper.errors import UserError

MAX_ROWS = 10_000_000
ENDINGS = {
    "csv": (".csv", ".tsv", ".tab", ".txt"),
    "json": (".jsonl", ".ndjson", ".json"),
    "parquet": (".parquet", ".pq"),
}


@dataclass(frozen=True)
class OwnTable:
    """An opened file.

    Attributes:
        path: The file.
        format: Its format, in words.
        columns: The names of its columns.
        rows: Reads the rows from the start, with the named columns.
    """

    path: Path
    format: str
    columns: Sequence[str]
    rows: Callable[[Sequence[str]], Iterator[Row]]


def open_table(path: Path) -> OwnTable:
    """Open a file: its name shows the format, its first lines show the columns.

    Raises:
        UserError: The file's ending is unknown, or the file cannot be read.
    """
    is_gzip = path.suffix.lower() == ".gz"
    ending = Path(path.stem).suffix.lower() if is_gzip else path.suffix.lower()
    file_format = next((name for name, endings in ENDINGS.items() if ending in endings), None)
    packing = ", gzip" if is_gzip else ""
    match file_format:
        case "csv":
            separator, header = csv_header(path)
            words = f"CSV, separated by {SEPARATORS[separator]}{packing}"
            return OwnTable(path, words, header, partial(_limited, path, partial(csv_rows, path, separator)))
        case "json":
            return OwnTable(
                path, f"JSON lines{packing}", json_header(path), partial(_limited, path, partial(json_rows, path))
            )
        case "parquet":
            header = _parquet_header(path)
            return OwnTable(path, f"Parquet{packing}", header, partial(_limited, path, partial(_parquet_rows, path)))
        case _:
            endings = ", ".join(ending for endings in ENDINGS.values() for ending in endings)
            raise UserError(
                f"the ending {ending!r} is not a known format",
                where=str(path),
                do=f"give a file that ends in {endings}, or one of these with .gz",
            )


def _limited(path: Path, rows: Callable[[Sequence[str]], Iterator[Row]], columns: Sequence[str]) -> Iterator[Row]:
    for number, row in enumerate(rows(columns)):
        if number == MAX_ROWS:
            raise UserError(f"the file has more than {MAX_ROWS:,} rows", where=str(path), do="give a smaller file")
        yield row


def _parquet_header(path: Path) -> list[str]:
    with unpacked(path) as source, _errors(path):
        names = _parquet(path, source).schema_arrow.names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"two columns have the same name, {twice[0]!r}", where=str(path), do="rename one of them")
    return names


def _parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    row = 0
    with unpacked(path) as source, _errors(path):
        for batch in _parquet(path, source).iter_batches(columns=list(columns), batch_size=1 << 14):
            for values in _values(_plain_times(batch)):
                row += 1
                yield f"row {row}", values


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


def _plain_times(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with timestamps in microseconds, the finest unit of Python's datetime."""
    fields = [
        pa.field(field.name, pa.timestamp("us", field.type.tz)) if pa.types.is_timestamp(field.type) else field
        for field in batch.schema
    ]
    return batch.cast(pa.schema(fields), safe=False)
