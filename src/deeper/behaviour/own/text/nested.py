"""Columns of nested values: an object such as {"movie": {"title": "Cove"}} becomes a column `movie.title`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import cast

from deeper.behaviour.own.table import OwnTable
from deeper.behaviour.own.text_rows import Row, Unreadable

LOOKED_AT_ROWS = 1000
MAX_DEPTH = 4
"""Levels of objects that become columns."""


def flattened(source: OwnTable) -> OwnTable:
    """Return a file whose columns hold no objects in its first rows; its nested columns are named by their path."""
    if source.format.startswith("CSV"):
        return source
    single = [name for name in source.columns if name not in source.repeated]
    rows_seen = [row for _, row in islice(source.rows(single), LOOKED_AT_ROWS) if not isinstance(row, Unreadable)]
    paths = dict.fromkeys(path for row in rows_seen for path in _paths(row))
    nested = {".".join(path): path for path in paths if len(path) > 1 and ".".join(path) not in source.columns}
    if not nested:
        return source

    def rows(columns: Sequence[str]) -> Iterator[Row]:
        paths = {name: nested.get(name, (name,)) for name in columns}
        for where, row in source.rows(list(dict.fromkeys(path[0] for path in paths.values()))):
            yield where, row if isinstance(row, Unreadable) else {name: _at(row, paths[name]) for name in columns}

    roots = {path[0] for path in nested.values()}
    plain = [name for name in source.columns if name not in roots or any(_is_plain(row[name]) for row in rows_seen)]
    return replace(source, columns=[*plain, *nested], rows=rows)


def _paths(row: Mapping[str, object], depth: int = 1) -> Iterator[tuple[str, ...]]:
    for name, value in row.items():
        if isinstance(value, dict) and value and depth < MAX_DEPTH:
            yield from ((name, *path) for path in _paths(cast(Mapping[str, object], value), depth + 1))
        else:
            yield (name,)


def _is_plain(value: object) -> bool:
    return value is not None and not isinstance(value, dict)


def _at(row: Mapping[str, object], path: Sequence[str]) -> object:
    """The value at a path; None where it ends early."""
    value: object = row
    for name in path:
        value = cast(Mapping[str, object], value).get(name) if isinstance(value, dict) else None
    return value
