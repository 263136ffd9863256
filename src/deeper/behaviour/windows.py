"""Sort behaviour by time, cut it into windows, and split users into train and eval.

The order is (domain, user, time). Half of the real users have events in the same second, or on the same day. BLAKE2b of
user and item breaks such ties. It does not depend on the rating, so no window is sorted by what is to be predicted.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.schema import BEHAVIOUR, ITEM, WINDOW

MIN_WINDOWS = 2
"""Minimum number of windows of a user: one to write a persona from, and one to predict."""

Ints = NDArray[np.int64]
Split = Mapping[str, str] | Callable[[str], str]


def split_users(users: Iterable[str], salt: str) -> dict[str, str]:
    """Split users into "train" and "eval"; the same users and salt always give the same split.

    Users are ranked by the BLAKE2b hash (8 bytes) of `salt`, a zero byte and the id. The lowest 30 %, rounded up and at
    most 100, become eval users.

    Args:
        users: User ids; repeated ones count once.
        salt: Different salts make the splits of two data sets independent.
    """
    ordered = sorted(set(users), key=lambda user: (_hash(salt, user), user))
    count = min(RECIPE.max_eval_users, math.ceil(RECIPE.eval_share * len(ordered)))
    return {user: "eval" if rank < count else "train" for rank, user in enumerate(ordered)}


def in_time_order(events: pa.Table) -> pa.Table:
    """Sort events by (domain, user, time) and number each user's events.

    Ties in time are broken by `position` if the table has it, else by BLAKE2b of user and item. Rows that are still
    tied (the same user, item and time) keep their order.

    Args:
        events: The columns of `BEHAVIOUR`; `position` may be missing. `time` has no nulls, or only nulls if there is a
            `position`, which then is the order.

    Returns:
        A `BEHAVIOUR` table with `position` from 0 for each user of each domain.

    Raises:
        ValueError: A time is null.
    """
    has_order = "position" in events.column_names and events["time"].null_count == events.num_rows
    if events["time"].null_count and not has_order:
        raise ValueError("events without a time cannot be put in order")
    if "position" in events.column_names:
        ties = events["position"].to_numpy().astype(np.int64)
    else:
        pairs = zip(strings(events, "user"), strings(events, "item"), strict=True)
        ties = np.fromiter((_hash(user, item) for user, item in pairs), np.uint64, events.num_rows)
    ordered = events.take(np.lexsort((ties, _times(events), _ranks(events, "user"), _ranks(events, "domain"))))
    position = pa.array(_position(_starts(ordered), ordered.num_rows), pa.int32())
    columns = [ordered[name] for name in BEHAVIOUR.names if name != "position"]
    return pa.Table.from_arrays([*columns, position], names=BEHAVIOUR.names).cast(BEHAVIOUR)


def to_windows(
    behaviour: pa.Table, size: int = RECIPE.window_size, count: int = RECIPE.window_count, *, split: Split
) -> pa.Table:
    """Cut behaviour into windows of consecutive events.

    Every window is full. Users with fewer than two windows are left out; `short_users` returns them.

    Args:
        behaviour: A `BEHAVIOUR` table; rows in any order.
        size: Events in a window, 1 or more.
        count: Largest number of windows of a user, 2 or more; later events are left out.
        split: "train" or "eval" for each user.

    Returns:
        A `WINDOW` table, sorted by (domain, split, user, k).

    Raises:
        ValueError: A user's positions are not in time order.
    """
    ordered = _by_position(behaviour)
    starts = _starts(ordered)
    lengths = np.diff(np.append(starts, ordered.num_rows))
    windows = np.minimum(lengths // size, count)
    windows[windows < MIN_WINDOWS] = 0

    # A window's user, its number, and the row of its first event; all (windows,).
    owner = np.repeat(np.arange(len(starts)), windows)
    k = _position(np.cumsum(windows) - windows, len(owner))
    first = starts[owner] + k * size
    split_of = split if callable(split) else split.__getitem__
    heads = ordered.select(["user", "domain"]).take(first)
    heads = heads.append_column("split", pa.array(map(split_of, strings(heads, "user")), pa.string()))
    order = np.lexsort((k, _ranks(heads, "user"), _ranks(heads, "split"), _ranks(heads, "domain")))

    events = ordered.take((first[order, None] + np.arange(size)).ravel()).select(ITEM.names)
    structs = events.cast(pa.schema(list(ITEM))).to_struct_array().combine_chunks()
    offsets = pa.array(np.arange(len(order) + 1) * size, pa.int32())
    columns = {
        **{name: heads[name].take(order) for name in ("user", "domain", "split")},
        "k": pa.array(k[order], pa.int16()),
        "items": pa.ListArray.from_arrays(offsets, structs, type=WINDOW.field("items").type),
    }
    return pa.Table.from_pydict(columns).select(WINDOW.names).cast(WINDOW).combine_chunks()


def short_users(behaviour: pa.Table, size: int = RECIPE.window_size) -> list[tuple[str, str]]:
    """Return the (domain, user) pairs with too few events for two windows; `to_windows` leaves them out."""
    counts = behaviour.group_by(["domain", "user"]).aggregate([([], "count_all")])
    short = counts.filter(pa.array(counts["count_all"].to_numpy() < MIN_WINDOWS * size))
    return sorted(zip(strings(short, "domain"), strings(short, "user"), strict=True))


def strings(table: pa.Table, name: str) -> list[str]:
    """Return a column of strings without nulls as a list."""
    return cast(list[str], table[name].to_pylist())


def _hash(*parts: str) -> int:
    """64 bits of BLAKE2b of the parts, separated by zero bytes."""
    return int.from_bytes(blake2b("\0".join(parts).encode(), digest_size=8).digest(), "big")


def _ranks(table: pa.Table, name: str) -> Ints:
    """Dense ranks of a column in ascending order (strings by their bytes); shape (rows,)."""
    return pc.rank(table[name], tiebreaker="dense").to_numpy().astype(np.int64)


def _times(table: pa.Table) -> Ints:
    """Microseconds since 1970; shape (rows,)."""
    return table["time"].to_numpy().astype("datetime64[us]").astype(np.int64)


def _starts(ordered: pa.Table) -> Ints:
    """The first row of each user, in a table sorted by (domain, user); shape (users,)."""
    changes = (np.diff(_ranks(ordered, "user")) != 0) | (np.diff(_ranks(ordered, "domain")) != 0)
    return np.flatnonzero(np.concatenate([np.ones(min(1, ordered.num_rows), bool), changes]))


def _position(starts: Ints, rows: int) -> Ints:
    """The distance of each row from the last start at or before it; shape (rows,)."""
    return np.arange(rows) - np.repeat(starts, np.diff(np.append(starts, rows)))


def _by_position(behaviour: pa.Table) -> pa.Table:
    """Sort the table by (domain, user, position), and check that this is time order."""
    keys = (behaviour["position"].to_numpy(), _ranks(behaviour, "user"), _ranks(behaviour, "domain"))
    ordered = behaviour.take(np.lexsort(keys))
    back = np.diff(_times(ordered)) < 0
    back[_starts(ordered)[1:] - 1] = False
    if back.any():
        user = ordered["user"][int(np.argmax(back))].as_py()
        raise ValueError(f"the behaviours of user {user!r} are not in time order")
    return ordered
