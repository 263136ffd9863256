"""Blocks of a raw file as Arrow batches of text with the number of each record's line.

JSON lines stay lines (`line`, `text`), for the engine to read; of CSV the wanted columns are cut out (`line` and one
column for each wanted value). A record that cannot be read has nulls for all. Whole blocks are read at once; only in a
block that holds a bad record is each of its records looked at by itself.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv
from numpy.typing import NDArray

from deeper.errors import UserError
from deeper.prepare.raw.blocks import LINE_END, Block, ahead, blocks, record_ends
from deeper.prepare.raw.reader import Fields, Kind

LINES = pa.schema([pa.field("line", pa.int64()), pa.field("text", pa.string())])
LONGEST_CELL = 1 << 26


Told = Callable[[int], None]
"""Is told how many more records were read."""


def read_records(
    path: str, kind: Kind, fields: Fields, failures: list[BaseException], told: Told
) -> pa.RecordBatchReader:
    """The records of a file, streamed.

    An engine that reads the stream makes an error of its own out of an error of its input's; so what went wrong is
    put into `failures`, too.

    Args:
        path: A local path or an address.
        kind: How records are written.
        fields: What is wanted of CSV records.
        failures: Takes the error that ends the stream.
        told: Is told how many more records were read.

    Raises:
        UserError: On reading: the file cannot be read to its end, or lacks a wanted column.
    """
    if kind == "json":
        return pa.RecordBatchReader.from_batches(LINES, _watched(_json(path), failures, told))
    schema = pa.schema([pa.field("line", pa.int64()), *(pa.field(name, pa.string()) for name in fields.names)])
    return pa.RecordBatchReader.from_batches(schema, _watched(_csv(path, fields, schema), failures, told))


def _watched(batches: Iterator[pa.RecordBatch], failures: list[BaseException], told: Told) -> Iterator[pa.RecordBatch]:
    try:
        for batch in ahead(batches):
            told(batch.num_rows)
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
        yield pa.RecordBatch.from_arrays([numbers, text], schema=LINES)


def _decoded(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _csv(path: str, fields: Fields, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    columns = list(fields.columns)
    for block in blocks(path, quoted=True):
        skipped = 0
        if fields.header and not columns:
            columns, skipped = _header(block, path)
        wanted = [_first_there(names, columns, path) for names in fields.names.values()]
        table = _quick(block, columns, wanted, skipped) or _slow(block, columns, wanted, skipped)
        yield from table.rename_columns(schema.names).cast(schema).combine_chunks().to_batches()


def _header(block: Block, path: str) -> tuple[list[str], int]:
    ends = record_ends(block.data, quoted=True)
    end = int(ends[0]) if len(ends) else len(block.data)
    try:
        names = next(csv.reader([block.data[:end].decode()]))
    except (UnicodeDecodeError, StopIteration, csv.Error) as error:
        raise UserError("the first line names no columns", where=f"{path}, line 1", do="name the right file") from error
    return [name.strip() for name in names], end


def _first_there(names: Sequence[str], columns: Sequence[str], path: str) -> str:
    found = next((name for name in names if name in columns), None)
    if found is None:
        raise UserError(
            f"there is no column {' or '.join(names)}; there are {', '.join(columns)[:200]}",
            where=f"{path}, line 1",
            do="name the right file",
        )
    return found


def _quick(block: Block, columns: Sequence[str], wanted: Sequence[str], skipped: int) -> pa.Table | None:
    """All records at once; None if one of them is bad or empty."""
    data = block.data[skipped:]
    if data.count(b'"') % 2:  # one is never closed, and all that follows would be in it
        return None
    ends = record_ends(data, quoted=True)
    # What follows the last end is a record too, even if it ends with a line end: a quote may be left open in it.
    count = len(ends) + (int(ends[-1]) < len(data) if len(ends) else len(data) > 0)
    if not count:
        return pa.table({"line": pa.array([], pa.int64()), **{name: pa.array([], pa.string()) for name in wanted}})
    try:
        table = pc_csv.read_csv(
            cast(Any, pa.py_buffer(data)),
            pc_csv.ReadOptions(column_names=list(columns), block_size=max(1 << 20, _longest(ends, len(data)) + 1)),
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
        all_ends = np.flatnonzero(np.frombuffer(data, np.uint8) == LINE_END)
        line = first + np.searchsorted(all_ends, starts)
    return table.add_column(0, "line", pa.array(line, pa.int64()))


def _longest(ends: NDArray[np.int64], size: int) -> int:
    return int(np.diff(np.concatenate([[0], ends, [size]])).max())


def _slow(block: Block, columns: Sequence[str], wanted: Sequence[str], skipped: int) -> pa.Table:
    """Record by record, nulls for those that cannot be read; empty lines are left out."""
    text = block.data[skipped:].decode("utf-8", "surrogateescape").replace("\0", "\ufffd")
    lines = [line + "\n" for line in text.split("\n")]
    first = block.line + block.data.count(b"\n", 0, skipped)
    places = [list(columns).index(name) for name in wanted]
    others = csv.field_size_limit(LONGEST_CELL)  # one limit for the whole process
    try:
        rows = list(_rows(lines, len(columns), places))
    finally:
        csv.field_size_limit(others)
    cells = {name: pa.array([row[i] for _, row in rows], pa.string()) for i, name in enumerate(wanted)}
    return pa.table({"line": pa.array([first + at for at, _ in rows], pa.int64()), **cells})


def _rows(lines: Sequence[str], columns: int, places: Sequence[int]) -> Iterator[tuple[int, list[str | None]]]:
    """The wanted cells of each record, and how many lines stand before it.

    Where a quote is never closed, the line that opens it is bad, and what follows is read on.
    """
    begun = at = 0
    reader = csv.reader(lines)
    while at < len(lines):
        try:
            row = next(reader, [])
            is_good = len(row) == columns and not any(_is_damaged(row[place]) for place in places)
        except csv.Error:  # a carriage return in the middle of a cell
            row, is_good = ["bad"], False
        end = begun + reader.line_num
        if end == len(lines) and sum(line.count('"') for line in lines[at:]) % 2:
            begun = end = at + 1
            reader, is_good, row = csv.reader(lines[begun:]), False, ["bad"]
        if row and row != [""]:
            yield at, [row[place] if is_good else None for place in places]
        at = end


def _is_damaged(cell: str) -> bool:
    """Whether a cell held bytes that are no UTF-8."""
    return any("\udc80" <= char <= "\udcff" for char in cell)
