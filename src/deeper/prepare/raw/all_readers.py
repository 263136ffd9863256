"""The readers by the name of their format, and which of them a file is for."""

import csv
import json
import re
from collections.abc import Sequence

from deeper.errors import UserError
from deeper.prepare.raw import amazon_2018, amazon_2023, amazon_csv, food_com, google_local, movielens
from deeper.prepare.raw.blocks import blocks, record_ends
from deeper.prepare.raw.reader import Reader

READERS = {
    reader.name: reader
    for reader in (
        movielens.READER,
        amazon_2018.READER,
        amazon_2023.READER,
        amazon_2023.CSV,
        amazon_csv.READER,
        amazon_csv.EDITION_2014,
        food_com.READER,
        google_local.READER,
    )
}
"""Every raw format by name."""

LINES = 10
"""JSON lines that are looked at to tell a format."""
SAMPLE = 1000
"""Records that are looked at to tell formats without a header apart."""


def find_reader(path: str, formats: Sequence[str], domain: str) -> Reader:
    """The reader of a ratings file, by its first records.

    Args:
        path: Of the ratings file.
        formats: The formats that the domain comes in.
        domain: For the message.

    Raises:
        UserError: The file is of none of them, or could be of two.
    """
    records = _first_records(path)
    for reader in (READERS[name] for name in formats):
        if _is_marked(records, reader):
            return reader
    bare = [READERS[name] for name in formats if not READERS[name].marks]
    found = {reader.name: reader for reader in bare if _fits(records, reader)}
    if len(found) == 1:
        return next(iter(found.values()))
    what = "could be two formats" if found else f"is not a ratings file of {domain}"
    raise UserError(
        f"the file {what}; it begins with {records[0][:80]!r}",
        where=path,
        do=f"name the right file, or its format with --format ({', '.join(found or formats)})",
    )


def holds_ratings(path: str, reader: Reader) -> bool:
    """Whether a file that is given for the titles is one of ratings."""
    return _is_marked(_first_records(path), reader)


def _is_marked(records: Sequence[str], reader: Reader) -> bool:
    """Whether the header, or one of the first JSON lines, has all that tells a format: the first may be bad."""
    looked_at = records[: 1 if reader.kind == "csv" else LINES]
    return bool(reader.marks) and any(reader.marks <= _keys(record, reader) for record in looked_at)


def _first_records(path: str) -> list[str]:
    """The first records as text, from the first block."""
    stream = blocks(path, quoted=False)
    block = next(stream, None)
    stream.close()  # type: ignore[attr-defined]
    if block is None:
        raise UserError("the file is empty", where=path, do="fetch it again")
    ends = record_ends(block.data, quoted=False)[:SAMPLE]
    data = block.data[: int(ends[-1])] if len(ends) else block.data
    lines = data.decode("utf-8", "replace").splitlines()
    return [line for line in lines if line.strip()] or [""]


def _keys(record: str, reader: Reader) -> set[str]:
    try:
        if reader.kind == "csv":
            return {cell.strip() for cell in next(csv.reader([record]), [])}
        value = json.loads(record)
    except (ValueError, RecursionError, csv.Error):
        return set()
    return set(value) if isinstance(value, dict) else set()


def _fits(records: Sequence[str], reader: Reader) -> bool:
    """Whether records of a CSV file without a header have the ids where the reader looks for them."""
    try:
        rows = list(csv.reader(records))
    except csv.Error:
        return False
    places = {name: reader.ratings.columns.index(names[0]) for name, names in reader.ratings.names.items()}
    patterns = {"user": amazon_csv.USER, "item": amazon_csv.ITEM}
    good = sum(
        len(row) == len(reader.ratings.columns)
        and all(re.fullmatch(pattern, row[places[name]]) for name, pattern in patterns.items())
        for row in rows
    )
    return good > 0.9 * len(rows)
