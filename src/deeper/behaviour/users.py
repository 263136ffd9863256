"""Users with their windows, by domain and user."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.splits import part, some_of_each_domain

Key = tuple[str, str]
"""Domain and user."""


Windows = Mapping[Key, Sequence[Sequence[Mapping[str, Any]]]]
"""W_0, W_1, … of each user, each a list of items."""


CONTEXT_WINDOWS = 3
"""The least that gives a context: a previous, a current and a future window."""


def choose_users(windows: pa.Table, parts: Sequence[str], users: int) -> dict[Key, list[Any]]:
    """The windows of the train users that contexts are made of, sorted by domain and user.

    Args:
        windows: `WINDOW` rows.
        parts: The parts of the train users to take (`behaviour.splits`).
        users: Users of each domain, at most; chosen by a hash, so that a smaller choice is a part of a larger one.
    """
    train = windows.filter(pc.field("split") == "train").select(["domain", "user", "k", "items"])
    found: dict[Key, list[Any]] = {}
    for row in train.to_pylist():
        if part(row["domain"], row["user"]) in parts:
            found.setdefault((row["domain"], row["user"]), []).append(row["items"])
    whole = [key for key, own in found.items() if len(own) >= CONTEXT_WINDOWS]
    return {key: found[key] for key in some_of_each_domain(whole, users)}
