"""The windows that several runs judge alike: those of the same users, with the same ratings up to that window."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.users import Key, keys_of
from deeper.errors import UserError
from deeper.evaluation.runs.load_run import Run


def common_errors(runs: Sequence[Run], names: Sequence[str]) -> tuple[list[pa.Table], list[str]]:
    """The held-out errors of each run on the windows that all of them judge.

    Args:
        runs: The runs.
        names: What to call them.

    Returns:
        Of each run, ERROR rows; and what was left out, in words with counts.

    Raises:
        UserError: There is no such window.
    """
    contents = [_contents(run) for run in runs]
    shared = set[Key](contents[0]).intersection(*contents[1:])
    last = {key: _agreed([windows[key] for windows in contents]) for key in shared}
    held_out = [run.errors.filter(pc.field("role") == "future") for run in runs]
    common = set.intersection(*(_judged(errors) for errors in held_out))
    common = {place for place in common if place[1] < last.get(place[0], -1)}
    if not common:
        raise UserError(
            "the runs judge no window in common",
            where=", ".join(names),
            do="compare runs on the same data, split and users",
        )
    notes = _conflict_notes(contents, shared, last)
    for name, errors in zip(names, held_out, strict=True):
        judged = _judged(errors)
        if left := len(judged - common):
            notes.append(f"{name}: {left} of {len(judged)} windows are left out, since not all runs judge them")
    return [_only(errors, common) for errors in held_out], notes


def _contents(run: Run) -> dict[Key, dict[int, bytes]]:
    """A hash of each window, by user and k."""
    found: dict[Key, dict[int, bytes]] = {}
    items = run.windows["items"]
    flat = pc.list_flatten(items)
    columns = [pc.struct_field(flat, name).to_pylist() for name in ("item", "title", "rating")]
    events = list(zip(*columns, strict=True))
    ends = np.cumsum(pc.list_value_length(items).to_numpy()).tolist()
    numbers: list[Any] = run.windows["k"].to_pylist()
    for key, k, start, end in zip(keys_of(run.windows), numbers, [0, *ends[:-1]], ends, strict=True):
        found.setdefault(key, {})[k] = hashlib.blake2b(repr(events[start:end]).encode(), digest_size=16).digest()
    return found


def _agreed(windows: Sequence[Mapping[int, bytes]]) -> int:
    """The last k up to which a user's windows are the same in all runs; -1 if the first differ."""
    k = 0
    while all(k in own for own in windows) and len({own[k] for own in windows}) == 1:
        k += 1
    return k - 1


def _judged(errors: pa.Table) -> set[tuple[Key, int]]:
    """The users and rounds that have an error."""
    return set(_places(errors))


def _only(errors: pa.Table, common: set[tuple[Key, int]]) -> pa.Table:
    return errors.filter(pa.array([place in common for place in _places(errors)], pa.bool_()))


def _places(errors: pa.Table) -> list[tuple[Key, int]]:
    """The user and round of each row."""
    rounds: list[Any] = errors["round"].to_pylist()
    return list(zip(keys_of(errors), rounds, strict=True))


def _conflict_notes(
    contents: Sequence[Mapping[Key, Mapping[int, bytes]]], shared: set[Key], last: Mapping[Key, int]
) -> list[str]:
    """A note about users of one name whose ratings are not the same in all runs."""
    differing = [key for key in shared if last[key] + 1 < min(len(windows[key]) for windows in contents)]
    if not differing:
        return []
    return [f"users with other ratings in one run than in another, left out from there on: {len(differing)}"]
