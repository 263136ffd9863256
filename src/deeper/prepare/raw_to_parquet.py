"""Turn one raw file into Parquet: good ratings in buckets of users, bad lines apart.

    ratings-<hash>/bucket=<n>/*.parquet     user, item, rating, time, line
    ratings-<hash>/bucket=-1/*.parquet      line, reason
    meta-<hash>/*.parquet                   item, title, raw categories, line

All ratings of a user are in one bucket, so later steps need memory for one bucket only. The hash covers everything that
shapes the content: the file, the query, the reader, and the code that reads. A folder that exists is complete.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from deeper.domains import Domain
from deeper.errors import UserError
from deeper.prepare.database import path_list, quoted
from deeper.prepare.raw import reasons
from deeper.prepare.raw.blocks import file_fingerprint
from deeper.prepare.raw.reader import Fields, Reader, RecordFormat
from deeper.prepare.raw.text_records import OnRecords, read_records
from deeper.storage.code_hash import code_hash

EARLIEST_TIME_SQL = "TIMESTAMP '1990-01-01'"
LATEST_TIME_SQL = "(now() AT TIME ZONE 'UTC' + INTERVAL 1 DAY)"
REJECTED_BUCKET = -1


@dataclass(frozen=True)
class StagedFile:
    """A raw file as Parquet: its path or address, the folder, and how many lines were read and rejected."""

    path: str
    folder: Path
    lines: int
    rejected: int


@dataclass(frozen=True)
class Staging:
    """What staging a file needs besides the file.

    Attributes:
        con: The database.
        work: Folder of the staged files.
        on_records: Called with the number of records in each batch.
    """

    con: duckdb.DuckDBPyConnection
    work: Path
    on_records: OnRecords


def stage_ratings(staging: Staging, path: str, reader: Reader, domain: Domain, buckets: int) -> StagedFile:
    """Read a ratings file.

    Args:
        staging: The database, the folder and the progress.
        path: The raw file.
        reader: The reader of its format.
        domain: Provides the scale.
        buckets: Number of buckets that users are spread over.

    Raises:
        UserError: The file cannot be read to its end.
    """
    values = _values_sql(reader.record_format, reader.ratings)
    scale = ", ".join(f"{value:g}" for value in (*domain.scale.values, *domain.unrated))
    time = f"try({reader.time_sql.format(time='moment_text')})"
    rating = "round(try_cast(rating AS DOUBLE), 4)"
    query = f"""
        SELECT CASE WHEN reason IS NULL THEN hash(user_id) % {buckets} ELSE {REJECTED_BUCKET} END AS bucket,
               user_id AS user, item, CAST(rated AS FLOAT) AS rating, moment AS time, line, reason
        FROM (
            SELECT line, user_id, item, {rating} AS rated, {time} AS moment,
                CASE WHEN user_id IS NULL AND item IS NULL AND rating IS NULL AND moment_text IS NULL
                         THEN {quoted(reasons.UNREADABLE)}
                     WHEN coalesce(user_id, '') = '' THEN {quoted(reasons.NO_USER)}
                     WHEN coalesce(item, '') = '' THEN {quoted(reasons.NO_ITEM)}
                     WHEN rated IS NULL THEN {quoted(reasons.RATING_NOT_A_NUMBER)}
                     WHEN rated NOT IN ({scale}) THEN {quoted(reasons.RATING_OFF_SCALE)}
                     WHEN moment IS NULL THEN {quoted(reasons.TIME_UNREADABLE)}
                     WHEN moment NOT BETWEEN {EARLIEST_TIME_SQL} AND {LATEST_TIME_SQL}
                         THEN {quoted(reasons.TIME_OUT_OF_RANGE)}
                END AS reason
            FROM ({values})
        )"""
    return _stage(staging, "ratings", path, query, reader.record_format, reader.ratings)


def stage_meta(staging: Staging, path: str, reader: Reader) -> StagedFile:
    """Read the raw titles and categories of items from a meta file.

    Args:
        staging: The database, the folder and the progress.
        path: The raw file.
        reader: The reader of the ratings file beside it.

    Raises:
        UserError: The file cannot be read to its end.
    """
    values = _values_sql(reader.meta_record_format, reader.meta)
    query = f"""
        SELECT CASE WHEN coalesce(trim(item), '') = '' THEN {REJECTED_BUCKET} ELSE 0 END AS bucket,
            trim(item) AS item, title, [{", ".join(reader.meta.optional)}]::VARCHAR[] AS categories, line,
            CASE WHEN item IS NULL AND title IS NULL THEN {quoted(reasons.UNREADABLE)}
                 WHEN coalesce(trim(item), '') = '' THEN {quoted(reasons.NO_ITEM)} END AS reason
        FROM ({values})"""
    return _stage(staging, "meta", path, query, reader.meta_record_format, reader.meta)


def rejected_lines(con: duckdb.DuckDBPyConnection, staged: StagedFile) -> list[dict[str, Any]]:
    """Return the bad lines of a file in its order: file, line and reason."""
    files = sorted(staged.folder.glob(f"bucket={REJECTED_BUCKET}/*.parquet"))
    if not files:
        return []
    rows = con.execute(f"SELECT line, reason FROM read_parquet({path_list(files)}) ORDER BY line")
    return [{"file": staged.path, "line": line, "reason": reason} for line, reason in rows.fetchall()]


def _values_sql(record_format: RecordFormat, fields: Fields) -> str:
    """SQL for the line and the text of each wanted value of each record."""
    if record_format == "csv":
        columns = ", ".join(f'"{name}" AS {_sql_name(name)}' for name in fields.all_names)
        return f"SELECT line, {columns} FROM records"
    keys = [key for keys in fields.all_names.values() for key in keys]
    columns = list[str]()
    for name, choices in fields.all_names.items():
        # An empty text must stay distinct from a missing one: only a record without any value is unreadable.
        found = [f"nullif(v.{key}, '')" for key in choices]
        empty = [f"v.{key}" for key in choices]
        columns.append(f"coalesce({', '.join([*found, *empty])}) AS {_sql_name(name)}")
    shape = quoted(json.dumps(dict.fromkeys(keys, "VARCHAR")))
    return f"""
        SELECT line, {", ".join(columns)}
        FROM (SELECT line, try(json_transform(text, {shape})) AS v FROM records
              WHERE text IS NULL OR strlen(text) > 3 OR trim(text, chr(9) || chr(10) || chr(13) || ' ') <> '')"""


def _sql_name(name: str) -> str:
    """The name of a value in SQL, where "user" and "time" are taken."""
    return {"user": "user_id", "time": "moment_text"}.get(name, name)


def _stage(
    staging: Staging, name: str, path: str, query: str, record_format: RecordFormat, fields: Fields
) -> StagedFile:
    """Write a staged folder unless it exists."""
    con = staging.con
    folder = staging.work / f"{name}-{_stage_hash(path, query, record_format, fields)}"
    if not folder.exists():
        part = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        failures: list[BaseException] = []
        con.register("records", read_records(path, record_format, fields, failures, staging.on_records))
        try:
            con.execute(f"COPY ({query}) TO {quoted(str(part))} (FORMAT parquet, PARTITION_BY (bucket))")
        except duckdb.Error as error:
            if failures:
                raise failures[0] from error
            raise
        finally:
            con.unregister("records")
        _write_counts(con, part, path)
        part.rename(folder)
    counts = json.loads((folder / "counts.json").read_text("utf-8"))
    return StagedFile(path, folder, counts["lines"], counts["rejected"])


def _stage_hash(path: str, query: str, record_format: RecordFormat, fields: Fields) -> str:
    # The query alone does not say which CSV columns are read.
    content: Sequence[object] = (
        code_hash(stage_ratings), duckdb.__version__, file_fingerprint(path), query, record_format, asdict(fields),
    )  # fmt: skip
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()


def _write_counts(con: duckdb.DuckDBPyConnection, part: Path, path: str) -> None:
    files = sorted(part.glob("*/*.parquet"))
    if not files:
        raise UserError("the file holds no records", where=path, do="fetch it again")
    query = f"SELECT count(*), count(reason) FROM read_parquet({path_list(files)})"
    lines, rejected = con.execute(query).fetchall()[0]
    (part / "counts.json").write_text(json.dumps({"lines": lines, "rejected": rejected}), "utf-8")
