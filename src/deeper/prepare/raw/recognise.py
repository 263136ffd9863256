"""Which raw format a file is in, by its first records."""

import csv
import json
import re
from collections.abc import Sequence

from deeper.errors import UserError
from deeper.prepare.raw.blocks import blocks, record_ends
from deeper.prepare.raw.reader import Reader
from deeper.prepare.raw.readers import READERS

JSON_LINES_CHECKED = 10
RECORDS_CHECKED = 1000
MIN_MATCHING_SHARE = 0.9
"""In a file without a header, more than this share of the checked records must have ids of the format."""


def find_reader(path: str, formats: Sequence[str], domain: str) -> Reader:
    """Return the reader of a ratings file.

    Args:
        path: The ratings file.
        formats: The formats that the domain comes in.
        domain: The domain's id, for the message.

    Raises:
        UserError: The file matches none of the formats, or several.
    """
    records = _first_records(path)
    readers = [READERS[name] for name in formats]
    for reader in readers:
        if _has_identifying_keys(records, reader):
            return reader
    matching = {reader.name: reader for reader in readers if reader.id_patterns and _has_ids(records, reader)}
    if len(matching) == 1:
        return next(iter(matching.values()))
    problem = "matches two formats" if matching else f"is not a ratings file of {domain}"
    raise UserError(
        f"the file {problem}; it begins with {records[0][:80]!r}",
        where=path,
        do=f"name the right file, or its format with --format ({', '.join(matching or formats)})",
    )


def holds_ratings(path: str, reader: Reader) -> bool:
    """Return whether a file that was given for the titles holds ratings."""
    return _has_identifying_keys(_first_records(path), reader)


def _has_identifying_keys(records: Sequence[str], reader: Reader) -> bool:
    # The first JSON lines may be bad, so several are checked.
    checked = records[: 1 if reader.record_format == "csv" else JSON_LINES_CHECKED]
    wanted = set(reader.identifying_keys)
    return bool(wanted) and any(wanted <= _keys(record, reader) for record in checked)


def _first_records(path: str) -> list[str]:
    """The first records as text, from the first block."""
    stream = blocks(path, quoted=False)
    block = next(stream, None)
    stream.close()  # type: ignore[attr-defined]
    if block is None:
        raise UserError("the file is empty", where=path, do="fetch it again")
    ends = record_ends(block.data, quoted=False)[:RECORDS_CHECKED]
    data = block.data[: int(ends[-1])] if len(ends) else block.data
    lines = data.decode("utf-8", "replace").splitlines()
    return [line for line in lines if line.strip()] or [""]


def _keys(record: str, reader: Reader) -> set[str]:
    try:
        if reader.record_format == "csv":
            return {cell.strip() for cell in next(csv.reader([record]), [])}
        value = json.loads(record)
    except (ValueError, RecursionError, csv.Error):
        return set()
    return set(value) if isinstance(value, dict) else set()


def _has_ids(records: Sequence[str], reader: Reader) -> bool:
    """Whether records of a CSV file without a header have user and item ids in the reader's columns."""
    try:
        rows = list(csv.reader(records))
    except csv.Error:
        return False
    fields = reader.ratings
    column_patterns = {
        fields.columns.index(fields.names[name][0]): pattern for name, pattern in reader.id_patterns.items()
    }
    matching = sum(
        len(row) == len(fields.columns)
        and all(re.fullmatch(pattern, row[column]) for column, pattern in column_patterns.items())
        for row in rows
    )
    return matching > MIN_MATCHING_SHARE * len(rows)
