"""Own behaviour files: a folder with `behaviour.csv` or `behaviour.parquet`, and perhaps `domain.toml`.

    behaviour.csv       UTF-8, comma separated, columns user, title, rating, time and optionally item, domain
    behaviour.parquet   the same columns, and optionally position: the order of events of the same time
    domain.toml         the domain: id, name, item_noun, scale = [minimum, maximum, step]

`time` is ISO 8601 ("2024-05-01T18:30:00+02:00"; UTC where no zone is named) or Unix seconds. Without `item`,
the title is the item. `domain` names a domain for each row: that of `domain.toml`, or a built-in one; without
it, all rows are of `domain.toml`. Other columns are ignored. Anything that cannot be read ends with a
`UserError` that names file and row: rows are never dropped silently.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.own_values import parse_position, parse_rating, parse_text, parse_time
from deeper.behaviour.published_files import csv_rows
from deeper.behaviour.schema import BEHAVIOUR
from deeper.behaviour.titles import clean_title, has_title
from deeper.behaviour.windows import (
    MIN_WINDOWS,
    WINDOW_COUNT,
    WINDOW_SIZE,
    in_time_order,
    short_users,
    split_users,
    strings,
    to_windows,
)
from deeper.domains import BUILTIN, Domain, load_domain
from deeper.errors import UserError

FILES = ("behaviour.csv", "behaviour.parquet")
DOMAIN_FILE = "domain.toml"
REQUIRED = ("user", "title", "rating", "time")

Row = tuple[str, dict[str, object]]
"""The place of a row, for messages, and its values by column."""


@dataclass(frozen=True)
class OwnFiles:
    """What an own folder holds.

    Attributes:
        windows: A `WINDOW` table of the users with at least two windows.
        domains: The domains that occur, by id.
        notes: What was left out or mended, in words with counts.
    """

    windows: pa.Table
    domains: dict[str, Domain]
    notes: list[str]


def is_own(folder: Path) -> bool:
    """Whether a folder holds a behaviour file."""
    return any((folder / name).is_file() for name in FILES)


def read_own(folder: Path, size: int = WINDOW_SIZE, count: int = WINDOW_COUNT) -> OwnFiles:
    """Read an own folder into windows; users are split by the hash of their id, the same in all domains.

    Args:
        folder: Holds one of `FILES`.
        size: Events in a window.
        count: Windows of a user at most.

    Raises:
        UserError: A file is missing, cannot be read or has a bad row, or no user has two windows.
    """
    found = [folder / name for name in FILES if (folder / name).is_file()]
    if len(found) != 1:
        what = "both" if found else "neither"
        raise UserError(
            f"the folder holds {what} of {' and '.join(FILES)}",
            where=str(folder),
            do="keep one of them there",
        )
    own = load_domain(folder / DOMAIN_FILE) if (folder / DOMAIN_FILE).exists() else None
    known = {**BUILTIN, **({own.id: own} if own else {})}
    events, notes = _read_events(found[0], known, own)
    behaviour = in_time_order(events)
    short = set(short_users(behaviour, size))
    users = set(zip(strings(behaviour, "domain"), strings(behaviour, "user"), strict=True))
    least = MIN_WINDOWS * size
    if short == users:
        raise UserError(
            f"no user has the {least} behaviours that {MIN_WINDOWS} windows take",
            where=str(found[0]),
            do="add behaviours, or remove the file",
        )
    if short:
        notes.append(f"users left out for fewer than {least} behaviours: {len(short)} of {len(users)}")
    windows = to_windows(behaviour, size, count, split=_split(users - short))
    return OwnFiles(windows, {name: known[name] for name in sorted({name for name, _ in users - short})}, notes)


def _split(users: set[tuple[str, str]]) -> dict[str, str]:
    """The split of each user; who is an eval user of one domain is one of all, so that none is trained on."""
    split: dict[str, str] = {}
    for domain in sorted({name for name, _ in users}):
        for user, part in split_users((user for name, user in users if name == domain), domain).items():
            split[user] = "eval" if "eval" in (part, split.get(user)) else "train"
    return split


def _read_events(path: Path, known: dict[str, Domain], own: Domain | None) -> tuple[pa.Table, list[str]]:
    """The events of a file in its order, with `position` only if the file has it, and notes."""
    names = [name for name in BEHAVIOUR.names if name != "position"]
    columns: dict[str, list[Any]] = {name: [] for name in names}
    cleaned = untitled = 0
    for where, row in _csv_rows(path) if path.suffix == ".csv" else _parquet_rows(path):
        domain = _domain(row, where, known, own)
        name = "user"
        try:
            user = parse_text(row[name])
            name = "title"
            text = parse_text(row[name])
            title = parse_text(clean_title(text))
            name = "rating"
            rating = parse_rating(row[name], domain)
            name = "time"
            time = parse_time(row[name])
            name = "item"
            item = title if row.get(name) in (None, "") else parse_text(row[name])
            if "position" in row:
                name = "position"
                columns.setdefault(name, []).append(parse_position(row[name]))
        except ValueError as error:
            raise UserError(f"the {name} {error}", where=where, do="mend or remove that row") from error
        cleaned += title != text
        untitled += not has_title(title)
        for name, value in zip(names, (user, domain.id, item, title, rating, time), strict=True):
            columns[name].append(value)
    if not columns["user"]:
        raise UserError("the file holds no behaviours", where=str(path), do="add rows, or remove the file")
    notes = [f"titles cleaned of blanks, entities or hidden characters: {cleaned}"] if cleaned else []
    notes += [f'titles that are only "Unknown": {untitled}'] if untitled else []
    fields = [BEHAVIOUR.field(name) for name in columns]
    return pa.Table.from_pydict({field.name: pa.array(columns[field.name], field.type) for field in fields}), notes


def _domain(row: dict[str, object], where: str, known: dict[str, Domain], own: Domain | None) -> Domain:
    if "domain" not in row and own:
        return own
    if "domain" not in row:
        raise UserError(
            "nothing says which domain this is",
            where=where,
            do=f"put {DOMAIN_FILE} beside the file, or add a column domain with one of {', '.join(known)}",
        )
    name = row["domain"]
    if not isinstance(name, str) or name not in known:
        choice = f"choose from {', '.join(known)}"
        raise UserError(
            f"unknown domain {name!r}",
            where=where,
            do=choice if own else f"{choice}, or describe it in {DOMAIN_FILE}",
        )
    return known[name]


def _check_columns(names: Iterable[str], where: str) -> None:
    present = list(names)
    if missing := [name for name in REQUIRED if name not in present]:
        raise UserError(
            f"the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} cannot be found",
            where=where,
            do=f"name the columns {', '.join(REQUIRED)}, separated by commas (found: {', '.join(present)})",
        )


def _csv_rows(path: Path) -> Iterator[Row]:
    is_checked = False
    for where, row in csv_rows(path):
        if not is_checked:
            _check_columns(row, f"{path}, line 1")
            is_checked = True
        yield where, dict[str, object](row)


def _parquet_rows(path: Path) -> Iterator[Row]:
    if not path.stat().st_size:
        raise UserError("the file is empty", where=str(path), do="write it again, or remove it")
    try:
        file = pq.ParquetFile(path)
        _check_columns(file.schema_arrow.names, str(path))
        used = [name for name in BEHAVIOUR.names if name in file.schema_arrow.names]
        row = 0
        for batch in file.iter_batches(columns=used):
            for values in _plain_times(batch).to_pylist():
                row += 1
                yield f"{path}, row {row}", values
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"not a readable Parquet file ({error})", where=str(path), do="write it again") from error


def _plain_times(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with timestamps in microseconds, the finest that Python's datetime holds."""
    fields = [
        pa.field(field.name, pa.timestamp("us", field.type.tz)) if pa.types.is_timestamp(field.type) else field
        for field in batch.schema
    ]
    return batch.cast(pa.schema(fields), safe=False)
