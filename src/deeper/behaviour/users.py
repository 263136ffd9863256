"""Choose train users, with their windows."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.splits import part, some_of_each_domain

Key = tuple[str, str]
"""Domain and user."""

Windows = Mapping[Key, Sequence[Sequence[Mapping[str, Any]]]]
"""The windows W_0, W_1, … of each user, each a list of rated items."""

CONTEXT_WINDOWS = 3
"""Windows of a context: the previous, the current and the future one."""


def key_of(row: Mapping[str, Any]) -> Key:
    """The user of a row."""
    return row["domain"], row["user"]


def keys_of(table: pa.Table) -> list[Key]:
    """The user of each row."""
    return [key_of(row) for row in table.select(["domain", "user"]).to_pylist()]


def choose_users(windows: pa.Table, parts: Sequence[str], users: int) -> dict[Key, list[Any]]:
    """Return the windows of train users who have a context, sorted by domain and user.

    Args:
        windows: `WINDOW` rows.
        parts: Which parts of the train users to take (see `behaviour.splits`).
        users: Users of each domain, at most. A hash chooses them: a smaller choice is a subset of a larger one.
    """
    train = windows.filter(pc.field("split") == "train").select(["domain", "user", "k", "items"])
    found: dict[Key, list[Any]] = {}
    for row in train.to_pylist():
        if part(*key_of(row)) in parts:
            found.setdefault(key_of(row), []).append(row["items"])
    with_context = [key for key, user_windows in found.items() if len(user_windows) >= CONTEXT_WINDOWS]
    return {key: found[key] for key in some_of_each_domain(with_context, users)}
