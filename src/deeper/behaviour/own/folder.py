"""Read a folder of the user's behaviour: `behaviour.csv` or `behaviour.parquet`, and optionally `domain.toml`.

    behaviour.csv       columns user, title, rating, time and optionally item, categories, domain, position
    behaviour.parquet   the same columns
    domain.toml         the domain: id, name, item_noun, scale = [minimum, maximum, step]

`time` is a date, a date and time (UTC if it names no zone) or a Unix time. Without `item`, the title identifies the
item. `domain` names each row's domain: the one in `domain.toml`, or a built-in one. Without
that column, all rows belong to `domain.toml`. Other columns are ignored.

A row that cannot be read raises a `UserError` that names file and row; no row is dropped silently. `ratings_file` reads
a single file, with columns of any name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from deeper.behaviour.own.rows import BadRow, read_events
from deeper.behaviour.own.table import OwnTable, open_table
from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.windows import (
    MIN_WINDOWS,
    in_time_order,
    short_users,
    split_users,
    strings,
    to_windows,
)
from deeper.domains import BUILTIN, Domain, load_domain
from deeper.errors import UserError, choose_from

FILES = ("behaviour.csv", "behaviour.parquet")
DOMAIN_FILE = "domain.toml"
REQUIRED = ("user", "title", "rating", "time")
OPTIONAL = ("item", "categories", "position")


@dataclass(frozen=True)
class OwnFiles:
    """The content of a folder of the user's behaviour.

    Attributes:
        windows: A `WINDOW` table of the users with at least two windows.
        domains: The domains that occur, by id.
        notes: What was left out or mended, in words with counts.
    """

    windows: pa.Table
    domains: dict[str, Domain]
    notes: list[str]


def is_own(folder: Path) -> bool:
    """Return whether a folder holds a behaviour file."""
    return any((folder / name).is_file() for name in FILES)


def read_own(folder: Path, size: int = RECIPE.window_size, count: int = RECIPE.window_count) -> OwnFiles:
    """Read a folder of the user's behaviour into windows; a hash of the user id decides the split in all domains.

    Args:
        folder: Holds one of `FILES`.
        size: Events in a window.
        count: Largest number of windows of a user.

    Raises:
        UserError: A file is missing, cannot be read or has a bad row, or no user has two windows.
    """
    found = [folder / name for name in FILES if (folder / name).is_file()]
    if len(found) != 1:
        what = "both" if found else "neither"
        raise UserError(
            f"the folder holds {what} of {' and '.join(FILES)}",
            where=str(folder),
            do="keep exactly one of them",
        )
    own = load_domain(folder / DOMAIN_FILE) if (folder / DOMAIN_FILE).exists() else None
    known = {**BUILTIN, **({own.id: own} if own else {})}
    source = open_table(found[0])
    columns = _columns(source)
    source.check_unique([*columns.values(), "domain"])

    def domain_of(row: Mapping[str, Any], where: str) -> Domain:
        return _domain(row, f"{source.path}, {where}", known, own)

    def refuse(bad: BadRow) -> None:
        raise UserError(bad.message, where=f"{source.path}, {bad.where}", do=bad.do or "correct or remove that row")

    events = read_events(source, columns, domain_of, refuse)
    windows, short, users = cut_windows(events.table, source.path, size, count)
    notes = events.notes()
    if short:
        notes.append(f"users left out for fewer than {MIN_WINDOWS * size} behaviours: {short} of {short + len(users)}")
    return OwnFiles(windows, {name: known[name] for name in sorted({name for name, _ in users})}, notes)


def cut_windows(
    events: pa.Table, path: Path, size: int = RECIPE.window_size, count: int = RECIPE.window_count
) -> tuple[pa.Table, int, set[tuple[str, str]]]:
    """Cut a file's events into windows, and split its users by a hash of their ids.

    Args:
        events: The input of `in_time_order`.
        path: The file, for messages.
        size: Events in a window.
        count: Largest number of windows of a user.

    Returns:
        A `WINDOW` table; how many users have too few events for two windows; and the others, by domain and id.

    Raises:
        UserError: No user has two windows.
    """
    behaviour = in_time_order(events)
    short = set(short_users(behaviour, size))
    everybody = set(zip(strings(behaviour, "domain"), strings(behaviour, "user"), strict=True))
    users = everybody - short
    if not users:
        raise UserError(
            f"no user has the {MIN_WINDOWS * size} ratings that {MIN_WINDOWS} windows take",
            where=str(path),
            do="add ratings, or use another file",
        )
    return to_windows(behaviour, size, count, split=_split(users)), len(short), users


def _split(users: set[tuple[str, str]]) -> dict[str, str]:
    """The split of each user. An eval user of one domain is an eval user of all, so that no training sees the user."""
    split: dict[str, str] = {}
    for domain in sorted({name for name, _ in users}):
        for user, part in split_users((user for name, user in users if name == domain), domain).items():
            split[user] = "eval" if "eval" in (part, split.get(user)) else "train"
    return split


def _domain(row: Mapping[str, Any], where: str, known: dict[str, Domain], own: Domain | None) -> Domain:
    if "domain" not in row and own:
        return own
    if "domain" not in row:
        raise UserError(
            "the row names no domain, and the folder has no domain file",
            where=where,
            do=f"put {DOMAIN_FILE} beside the file, or add a column domain with one of {', '.join(known)}",
        )
    name = row["domain"]
    if not isinstance(name, str) or name not in known:
        choice = choose_from(known, str(name))
        raise UserError(
            f"unknown domain {name!r:.60}",
            where=where,
            do=choice if own else f"{choice}, or describe it in {DOMAIN_FILE}",
        )
    return known[name]


def _columns(source: OwnTable) -> dict[str, str]:
    """The column of each field; here columns have the fields' names."""
    if missing := [name for name in REQUIRED if name not in source.columns]:
        place = ", line 1" if source.path.suffix == ".csv" else ""
        raise UserError(
            f"the file has no column{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            where=f"{source.path}{place}",
            do=f"name the columns {', '.join(REQUIRED)} (found: {', '.join(source.columns)})",
        )
    return {name: name for name in (*REQUIRED, *OPTIONAL) if name in source.columns}
