"""One raw file to Parquet: good ratings in buckets of users, bad lines apart, whole or not at all.

    ratings-<hash>/bucket=<n>/*.parquet     user, item, rating, time, line
    ratings-<hash>/bucket=-1/*.parquet      line, reason
    meta-<hash>/*.parquet                   item, title, line

All ratings of a user are in one bucket, so that what follows needs no more memory than a bucket does. The hash is of
all that decides the content; a folder that is there is whole.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from deeper.domains import Domain
from deeper.errors import UserError
from deeper.prepare.database import path_list, quoted
from deeper.prepare.raw import reasons
from deeper.prepare.raw.blocks import fingerprint
from deeper.prepare.raw.reader import Fields, Kind, Reader
from deeper.prepare.raw.text_records import Told, read_records

STAGE_VERSION = 1
EARLIEST = "TIMESTAMP '1990-01-01'"
LATEST = "(now() AT TIME ZONE 'UTC' + INTERVAL 1 DAY)"


@dataclass(frozen=True)
class Staged:
    """A raw file as Parquet: its path or address, the folder, and how many lines were read and rejected."""

    path: str
    folder: Path
    lines: int
    rejected: int


def stage_ratings(
    con: duckdb.DuckDBPyConnection, path: str, reader: Reader, domain: Domain, buckets: int, work: Path, told: Told
) -> Staged:
    """Read a ratings file.

    Args:
        con: The database.
        path: The raw file.
        reader: Its format.
        domain: Gives the scale.
        buckets: How many buckets users are spread over.
        work: Folder of the staged files.
        told: Is told how many more records were read.

    Raises:
        UserError: The file cannot be read to its end.
    """
    values = _values(reader.kind, reader.ratings)
    scale = ", ".join(f"{value:g}" for value in (*domain.scale.values, *domain.unrated))
    time = f"try({reader.time.format(time='moment_text')})"
    rating = "round(try_cast(rating AS DOUBLE), 4)"
    query = f"""
        SELECT CASE WHEN reason IS NULL THEN hash(user_id) % {buckets} ELSE -1 END AS bucket,
               user_id AS user, item, CAST(rated AS FLOAT) AS rating, moment AS time, line, reason
        FROM (
            SELECT line, user_id, item, {rating} AS rated, {time} AS moment,
                CASE WHEN user_id IS NULL AND item IS NULL AND rating IS NULL AND moment_text IS NULL
                         THEN {quoted(reasons.UNREADABLE)}
                     WHEN coalesce(user_id, '') = '' THEN {quoted(reasons.NO_USER)}
                     WHEN coalesce(item, '') = '' THEN {quoted(reasons.NO_ITEM)}
                     WHEN rated IS NULL THEN {quoted(reasons.RATING)}
                     WHEN rated NOT IN ({scale}) THEN {quoted(reasons.OFF_SCALE)}
                     WHEN moment IS NULL THEN {quoted(reasons.TIME)}
                     WHEN moment NOT BETWEEN {EARLIEST} AND {LATEST} THEN {quoted(reasons.TIME_RANGE)}
                END AS reason
            FROM ({values})
        )"""
    about = [fingerprint(path), query, buckets]
    return _once(con, work, "ratings", path, about, query, (reader.kind, reader.ratings), told)


def stage_meta(con: duckdb.DuckDBPyConnection, path: str, reader: Reader, work: Path, told: Told) -> Staged:
    """Read a meta file: the raw titles of items.

    Args:
        con: The database.
        path: The raw file.
        reader: The format of the ratings file beside it.
        work: Folder of the staged files.
        told: Is told how many more records were read.

    Raises:
        UserError: The file cannot be read to its end.
    """
    values = _values(reader.meta_kind, reader.meta)
    query = f"""
        SELECT CASE WHEN coalesce(trim(item), '') = '' THEN -1 ELSE 0 END AS bucket, trim(item) AS item, title, line,
            CASE WHEN item IS NULL AND title IS NULL THEN {quoted(reasons.UNREADABLE)}
                 WHEN coalesce(trim(item), '') = '' THEN {quoted(reasons.NO_ITEM)} END AS reason
        FROM ({values})"""
    return _once(con, work, "meta", path, [fingerprint(path), query], query, (reader.meta_kind, reader.meta), told)


def rejects(con: duckdb.DuckDBPyConnection, staged: Staged) -> list[dict[str, Any]]:
    """The bad lines of a file, in its order: file, line and reason."""
    files = sorted(staged.folder.glob("bucket=-1/*.parquet"))
    if not files:
        return []
    rows = con.execute(f"SELECT line, reason FROM read_parquet({path_list(files)}) ORDER BY line")
    return [{"file": staged.path, "line": line, "reason": reason} for line, reason in rows.fetchall()]


def _values(kind: Kind, fields: Fields) -> str:
    """SQL for the text of each wanted value of each record, and its line."""
    if kind == "csv":
        columns = ", ".join(f'"{name}" AS {_safe(name)}' for name in fields.names)
        return f"SELECT line, {columns} FROM records"
    keys = [key for keys in fields.names.values() for key in keys]
    columns = list[str]()
    for name, choices in fields.names.items():
        # An empty text is told from none at all: only a record without any value is unreadable.
        found = [f"nullif(v.{key}, '')" for key in choices]
        empty = [f"v.{key}" for key in choices]
        columns.append(f"coalesce({', '.join([*found, *empty])}) AS {_safe(name)}")
    shape = quoted(json.dumps(dict.fromkeys(keys, "VARCHAR")))
    return f"""
        SELECT line, {", ".join(columns)}
        FROM (SELECT line, try(json_transform(text, {shape})) AS v FROM records
              WHERE text IS NULL OR strlen(text) > 3 OR trim(text, chr(9) || chr(10) || chr(13) || ' ') <> '')"""


def _safe(name: str) -> str:
    """The name of a value in SQL, where "user" and "time" mean something else."""
    return {"user": "user_id", "time": "moment_text"}.get(name, name)


def _once(
    con: duckdb.DuckDBPyConnection,
    work: Path,
    name: str,
    path: str,
    about: list[Any],
    query: str,
    how: tuple[Kind, Fields],
    told: Told,
) -> Staged:
    """Write a staged folder unless it is there."""
    key = json.dumps([STAGE_VERSION, duckdb.__version__, about])
    folder = work / f"{name}-{hashlib.blake2b(key.encode(), digest_size=8).hexdigest()}"
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        failures: list[BaseException] = []
        con.register("records", read_records(path, *how, failures, told))
        try:
            con.execute(f"COPY ({query}) TO {quoted(str(part))} (FORMAT parquet, PARTITION_BY (bucket))")
        except duckdb.Error as error:
            if failures:
                raise failures[0] from error
            raise
        finally:
            con.unregister("records")
        _finish(con, part, path)
        part.rename(folder)
    counts = json.loads((folder / "counts.json").read_text("utf-8"))
    return Staged(path, folder, counts["lines"], counts["rejected"])


def _finish(con: duckdb.DuckDBPyConnection, part: Path, path: str) -> None:
    files = sorted(part.glob("*/*.parquet"))
    if not files:
        raise UserError("the file holds no records", where=path, do="fetch it again")
    query = f"SELECT count(*), count(reason) FROM read_parquet({path_list(files)})"
    lines, rejected = con.execute(query).fetchall()[0]
    (part / "counts.json").write_text(json.dumps({"lines": lines, "rejected": rejected}), "utf-8")
