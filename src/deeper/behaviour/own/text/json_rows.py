"""Read JSON: objects on lines of their own, an array of objects, or an object that holds such an array."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

from deeper.behaviour.own.text.encodings import is_undecoded
from deeper.behaviour.own.text_rows import Row, Unreadable, opened_text, text_lines, wrong_encoding
from deeper.errors import UserError

HEADER_OBJECTS = 1000
"""Objects whose keys are the columns."""
MAX_DOCUMENT_CHARACTERS = 2**28
"""Largest document; it is read as a whole. Objects on lines of their own are not."""


def json_header(path: Path, encoding: str = "") -> list[str]:
    """Return the keys of the first objects of a file.

    Raises:
        UserError: The file cannot be read, or it holds no JSON object.
    """
    names: dict[str, None] = {}
    first: tuple[str, Unreadable] | None = None
    for where, row in islice(_objects(path, encoding), HEADER_OBJECTS):
        if isinstance(row, Unreadable):
            first = first or (where, row)
        else:
            names.update(dict.fromkeys(row))
    if first and not names:
        where, bad = first
        do = (
            bad.do
            or """write one object a line, its texts in "double quotes"; jq -c . does that for JSON of another shape"""
        )
        raise UserError(f"{where} {bad.message}", where=str(path), do=do)
    return list(names)


def json_rows(path: Path, encoding: str, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the objects of a file as rows with the named columns; a missing value is None."""
    for where, row in _objects(path, encoding):
        yield where, row if isinstance(row, Unreadable) else {name: row.get(name) for name in columns}


def _objects(path: Path, encoding: str) -> Iterator[Row]:
    document = _document(path, encoding)
    if document is not None:
        for number, value in enumerate(document, 1):
            yield f"object {number}", _checked(value)
        return
    for number, line in enumerate(text_lines(path, encoding), 1):
        if line.strip():
            yield f"line {number}", wrong_encoding(line, encoding) if is_undecoded(line) else _object(line)


def _document(path: Path, encoding: str) -> Sequence[object] | None:
    """The objects of a file that is one JSON document; None for objects on lines of their own.

    Raises:
        UserError: The document is an array but cannot be read, or it is too large.
    """
    with opened_text(path, encoding) as file:
        begin = file.readline(MAX_DOCUMENT_CHARACTERS).removeprefix("\ufeff")
        while begin.isspace():
            begin = file.readline(MAX_DOCUMENT_CHARACTERS)
        is_array = begin.lstrip().startswith("[")
        if not is_array and begin.strip() != "{":
            return None
        text = begin + file.read(MAX_DOCUMENT_CHARACTERS)
    if len(text) >= MAX_DOCUMENT_CHARACTERS:
        do = "write one object a line: jq -c '.[]' does that for an array"
        raise UserError("the JSON document is too large to be read as a whole", where=str(path), do=do)
    if is_undecoded(text):
        bad = wrong_encoding(next(filter(is_undecoded, text.splitlines())), encoding)
        raise UserError(f"the file {bad.message}", where=str(path), do=bad.do)
    try:
        value: object = json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        if not is_array:
            return None
        do = "export the file again, or correct this place"
        raise UserError(f"the JSON array cannot be read ({str(error)[:80]})", where=str(path), do=do) from error
    if is_array:
        return cast(Sequence[object], value)
    members = cast(Mapping[str, object], value)
    arrays = [one for one in members.values() if isinstance(one, list) and _objects_in(one)]
    if len(arrays) != 1:
        return [value]
    found = _objects_in(arrays[0])
    # GeoJSON (RFC 7946) keeps what is known of a place in its properties.
    return [one.get("properties") for one in found] if members.get("type") == "FeatureCollection" else found


def _objects_in(values: object) -> list[Mapping[str, object]]:
    """The objects in an array."""
    return [cast(Mapping[str, object], value) for value in cast(list[object], values) if isinstance(value, dict)]


def _object(line: str) -> Mapping[str, object] | Unreadable:
    try:
        value: object = json.loads(line, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        return Unreadable("is not valid JSON", f"is not valid JSON ({str(error)[:80]})")
    return _checked(value)


def _checked(value: object) -> Mapping[str, object] | Unreadable:
    if not isinstance(value, dict):
        return Unreadable("is not a JSON object", "is not a JSON object")
    return cast(Mapping[str, object], value)


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found
