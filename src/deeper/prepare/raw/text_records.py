"""Blocks of a raw file as Arrow batches of text, with the line number of each record.

JSON lines stay whole (`line`, `text`): DuckDB parses them. Of CSV records, only the wanted columns are kept (`line` and
one column for each wanted value). All values of an unreadable record are null. A whole block is parsed at once; only a
block with a bad record is parsed record by record.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv
from numpy.typing import NDArray

from deeper.errors import UserError
from deeper.prepare.raw.blocks import LINE_END_BYTE, Block, blocks, read_ahead, record_ends
from deeper.prepare.raw.reader import Fields, RecordFormat

JSON_LINE_SCHEMA = pa.schema([pa.field("line", pa.int64()), pa.field("text", pa.string())])
MAX_CELL_CHARACTERS = 1 << 26


OnRecords = Callable[[int], None]
"""Called with the number of records in each new batch, for the progress bar."""


def read_records(
    path: str, record_format: RecordFormat, fields: Fields, failures: list[BaseException], on_records: OnRecords
) -> pa.RecordBatchReader:
    """Stream the records of a file.

    DuckDB replaces an exception of its input by one of its own. The original is therefore also appended to `failures`.

    Args:
        path: A local path or an address.
        record_format: How records are written.
        fields: The wanted values of CSV records.
        failures: Receives the exception that ended the stream.
        on_records: Called with the number of records in each batch.

    Raises:
        UserError: While reading: the file cannot be read to its end, or lacks a wanted column.
    """
    if record_format == "json":
        return pa.RecordBatchReader.from_batches(JSON_LINE_SCHEMA, _reported(_json(path), failures, on_records))
    schema = pa.schema([pa.field("line", pa.int64()), *(pa.field(name, pa.string()) for name in fields.all_names)])
    return pa.RecordBatchReader.from_batches(schema, _reported(_csv(path, fields, schema), failures, on_records))


def _reported(
    batches: Iterator[pa.RecordBatch], failures: list[BaseException], on_records: OnRecords
) -> Iterator[pa.RecordBatch]:
    try:
        for batch in read_ahead(batches):
            on_records(batch.num_rows)
            yield batch
    except (UserError, KeyboardInterrupt) as error:
        failures.append(error)
        raise


def _json(path: str) -> Iterator[pa.RecordBatch]:
    for block in blocks(path, quoted=False):
        ends = record_ends(block.data, quoted=False)
        if not len(ends) or ends[-1] < len(block.data):
            ends = np.append(ends, len(block.data))
        offsets = pa.py_buffer(np.concatenate([[0], ends]).astype(np.int32).tobytes())
        text = pa.StringArray.from_buffers(len(ends), offsets, pa.py_buffer(block.data))
        try:
            text.validate(full=True)
        except pa.ArrowInvalid:
            lines = cast(list[bytes], text.cast(pa.binary()).to_pylist())
            text = pa.array([_decoded(line) for line in lines], pa.string())
        numbers = pa.array(np.arange(len(ends)) + block.line)
        yield pa.RecordBatch.from_arrays([numbers, text], schema=JSON_LINE_SCHEMA)


def _decoded(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _csv(path: str, fields: Fields, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    columns = list(fields.columns)
    for block in blocks(path, quoted=True):
        skipped = 0
        if not columns:
            columns, skipped = _header(block, path)
        wanted = {name: _first_present(names, columns, path) for name, names in fields.names.items()}
        wanted |= {
            name: next(known for known in names if known in columns)
            for name, names in fields.optional.items()
            if set(names) & set(columns)
        }
        places = list(wanted.values())
        table = _parse_block(block, columns, places, skipped) or _parse_records(block, columns, places, skipped)
        table = table.rename_columns(["line", *wanted])
        for name in fields.optional.keys() - wanted.keys():
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
        yield from table.select(schema.names).cast(schema).combine_chunks().to_batches()


def _header(block: Block, path: str) -> tuple[list[str], int]:
    ends = record_ends(block.data, quoted=True)
    end = int(ends[0]) if len(ends) else len(block.data)
    try:
        names = next(csv.reader([block.data[:end].decode()]))
    except (UnicodeDecodeError, StopIteration, csv.Error) as error:
        raise UserError(
            "the first line is not a CSV header", where=f"{path}, line 1", do="name the right file"
        ) from error
    return [name.strip() for name in names], end


def _first_present(names: Sequence[str], columns: Sequence[str], path: str) -> str:
    found = next((name for name in names if name in columns), None)
    if found is None:
        raise UserError(
            f"there is no column {' or '.join(names)}; the columns are {', '.join(columns)[:200]}",
            where=f"{path}, line 1",
            do="name the right file",
        )
    return found


def _parse_block(block: Block, columns: Sequence[str], wanted: Sequence[str], skipped: int) -> pa.Table | None:
    """Parse all records at once; return None if one of them is bad or empty."""
    data = block.data[skipped:]
    if data.count(b'"') % 2:  # a quote is never closed and would swallow the rest
        return None
    ends = record_ends(data, quoted=True)
    # The rest after the last end is a record too, even if it ends with a line end: it may hold an open quote.
    count = len(ends) + (int(ends[-1]) < len(data) if len(ends) else len(data) > 0)
    if not count:
        return pa.table({"line": pa.array([], pa.int64()), **{name: pa.array([], pa.string()) for name in wanted}})
    try:
        table = pc_csv.read_csv(
            cast(Any, pa.py_buffer(data)),
            pc_csv.ReadOptions(column_names=list(columns), block_size=max(1 << 20, _max_record_bytes(ends, data) + 1)),
            pc_csv.ParseOptions(newlines_in_values=b'"' in data),
            pc_csv.ConvertOptions(
                include_columns=list(wanted),
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        return None
    if table.num_rows != count:
        return None
    starts = np.concatenate([[0], ends])[:count]
    first = block.line + block.data.count(b"\n", 0, skipped)
    line = first + np.arange(count)
    if b'"' in data:
        line_ends = np.flatnonzero(np.frombuffer(data, np.uint8) == LINE_END_BYTE)
        line = first + np.searchsorted(line_ends, starts)
    return table.add_column(0, "line", pa.array(line, pa.int64()))


def _max_record_bytes(ends: NDArray[np.int64], data: bytes) -> int:
    return int(np.diff(np.concatenate([[0], ends, [len(data)]])).max())


def _parse_records(block: Block, columns: Sequence[str], wanted: Sequence[str], skipped: int) -> pa.Table:
    """Parse record by record; unreadable ones get nulls, empty lines are left out."""
    text = block.data[skipped:].decode("utf-8", "surrogateescape").replace("\0", "\ufffd")
    lines = [line + "\n" for line in text.split("\n")]
    first = block.line + block.data.count(b"\n", 0, skipped)
    places = [list(columns).index(name) for name in wanted]
    previous_limit = csv.field_size_limit(MAX_CELL_CHARACTERS)  # one limit for the whole process
    try:
        rows = list(_rows(lines, len(columns), places))
    finally:
        csv.field_size_limit(previous_limit)
    cells = {name: pa.array([row[i] for _, row in rows], pa.string()) for i, name in enumerate(wanted)}
    return pa.table({"line": pa.array([first + at for at, _ in rows], pa.int64()), **cells})


def _rows(lines: Sequence[str], columns: int, places: Sequence[int]) -> Iterator[tuple[int, list[str | None]]]:
    """Yield the number of lines before each record, and its wanted cells.

    If a quote is never closed, only the line that opens it is bad; parsing goes on after it.
    """
    begun = at = 0
    reader = csv.reader(lines)
    while at < len(lines):
        try:
            row = next(reader, [])
            is_good = len(row) == columns and not any(_is_damaged(row[place]) for place in places)
        except csv.Error:  # a carriage return inside a cell
            row, is_good = ["bad"], False
        end = begun + reader.line_num
        if end == len(lines) and sum(line.count('"') for line in lines[at:]) % 2:
            begun = end = at + 1
            reader, is_good, row = csv.reader(lines[begun:]), False, ["bad"]
        if row and row != [""]:
            yield at, [row[place] if is_good else None for place in places]
        at = end


def _is_damaged(cell: str) -> bool:
    """Whether a cell held bytes that are not UTF-8."""
    return any("\udc80" <= char <= "\udcff" for char in cell)
