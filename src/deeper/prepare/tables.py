"""Write the tables of a prepared folder: behaviour, windows and contexts, streamed, whatever their size."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.schema import BEHAVIOUR, WINDOW
from deeper.behaviour.windows import strings, to_windows
from deeper.prepare.database import path_list, quoted

Ints = NDArray[np.int64]

UNTITLED = "Unknown"
"""The title of an item without one, as in the published files."""
BATCH_ROWS = 250_000

CONTEXTS = pa.schema(
    [pa.field(name, WINDOW.field(name).type, nullable=False) for name in ("user", "domain", "split", "k")]
    + [pa.field(name, WINDOW.field("items").type, nullable=False) for name in ("previous", "current", "future")]
)
"""One context a row: windows k − 1, k and k + 1 of a user, k from 1."""


def write_tables(
    con: duckdb.DuckDBPyConnection, kept: list[Path], titles: Path, categories: Path, sampled: pa.Table, domain: str,
    count: int, out: Path,
) -> dict[str, int]:  # fmt: skip
    """Write behaviour.parquet, windows.parquet and contexts.parquet.

    Ratings are in time order. Ties are broken by MD5 of raw user and item, which does not depend on the rating.

    Args:
        con: The database.
        kept: The files that `merge_bucket` wrote.
        titles: The file of clean titles.
        categories: The file of the items' categories.
        sampled: A `SAMPLED_USERS` table.
        domain: The domain's id.
        count: Windows of a user.
        out: The folder.

    Returns:
        The number of rows of each table.
    """
    con.register("sampled", sampled)
    query = f"""
        SELECT c.user AS user, {quoted(domain)} AS domain, e.item, coalesce(t.title, {quoted(UNTITLED)}) AS title,
               coalesce(k.categories, []) AS categories, e.rating, e.time
        FROM read_parquet({path_list(kept)}) e JOIN sampled c ON e.user = c.raw
        LEFT JOIN read_parquet({quoted(str(titles))}) t ON e.item = t.item
        LEFT JOIN read_parquet({quoted(str(categories))}) k ON e.item = k.item
        ORDER BY c.user, e.time, md5(e.user || chr(0) || e.item)"""
    split = dict(zip(strings(sampled, "user"), strings(sampled, "split"), strict=True))
    rows = {"behaviour": 0, "windows": 0, "contexts": 0}
    parts = {
        (table, name): out / f".{table}-{name}.part" for table in ("windows", "contexts") for name in ("eval", "train")
    }
    with (
        _writing(out / ".behaviour.part", BEHAVIOUR, compression="zstd") as behaviour,
        _Writers(parts) as writers,
    ):
        for events in _whole_users(con.sql(query).to_arrow_reader(BATCH_ROWS)):
            behaviour.write_table(events)
            rows["behaviour"] += events.num_rows
            first = events.filter(pc.field("position") < RECIPE.window_size * count)
            windows = to_windows(first, RECIPE.window_size, count, split=split)
            contexts = to_contexts(windows)
            for table, new_rows in (("windows", windows), ("contexts", contexts)):
                rows[table] += new_rows.num_rows
                for name in ("eval", "train"):
                    writers.write(table, name, new_rows.filter(pc.field("split") == name))
    con.unregister("sampled")
    for table, schema in (("windows", WINDOW), ("contexts", CONTEXTS)):
        _concatenate([parts[table, "eval"], parts[table, "train"]], schema, out / f"{table}.parquet")
    (out / ".behaviour.part").rename(out / "behaviour.parquet")
    return rows


def to_contexts(windows: pa.Table) -> pa.Table:
    """Return the contexts of a `WINDOW` table in its order (domain, split, user, k); it takes 3 windows for one."""
    k = windows["k"].to_numpy()
    # A window is the current one of a context if it is not the user's first and the next row is the user's next window.
    has_next = np.append(k[1:] == k[:-1] + 1, False) if len(k) else np.zeros(0, bool)
    middle = np.flatnonzero(has_next & (k > 0))
    heads = windows.select(["user", "domain", "split", "k"]).take(middle)
    items = {
        name: windows["items"].take(middle + step) for name, step in (("previous", -1), ("current", 0), ("future", 1))
    }
    return pa.Table.from_pydict({**{name: heads[name] for name in heads.column_names}, **items}).cast(CONTEXTS)


def _whole_users(batches: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Yield `BEHAVIOUR` tables of whole users from batches sorted by user; `position` counts from 0."""
    rest = batches.schema.empty_table()
    for batch in batches:
        table = pa.concat_tables([rest, pa.Table.from_batches([batch])])
        starts = _starts(table)
        cut = int(starts[-1]) if len(starts) else 0
        rest = table.slice(cut)
        if cut:
            yield _numbered(table.slice(0, cut))
    if rest.num_rows:
        yield _numbered(rest)


def _starts(table: pa.Table) -> Ints:
    user = table["user"].combine_chunks()
    if not len(user):
        return np.zeros(0, np.int64)
    changed = pc.not_equal(user.slice(1), user.slice(0, len(user) - 1)).to_numpy(zero_copy_only=False)
    return np.flatnonzero(np.concatenate([[True], changed]))


def _numbered(table: pa.Table) -> pa.Table:
    starts = _starts(table)
    position = np.arange(table.num_rows) - np.repeat(starts, np.diff(np.append(starts, table.num_rows)))
    numbered = table.append_column("position", pa.array(position, pa.int32()))
    return numbered.select(BEHAVIOUR.names).cast(BEHAVIOUR)


@contextmanager
def _writing(path: Path, schema: pa.Schema, **options: Any) -> Generator[pq.ParquetWriter]:
    """Open a Parquet file to write. On a full disk it fails once, without a second try at its end of life."""
    writer = pq.ParquetWriter(path, schema, **options)
    try:
        yield writer
    finally:
        try:
            writer.close()
        finally:
            writer.is_open = False


class _Writers:
    """Open Parquet files by table and split."""

    def __init__(self, parts: dict[tuple[str, str], Path]) -> None:
        schemas = {"windows": WINDOW, "contexts": CONTEXTS}
        self._stack = ExitStack()
        self._open = {key: self._stack.enter_context(_writing(path, schemas[key[0]])) for key, path in parts.items()}

    def __enter__(self) -> "_Writers":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def write(self, table: str, split: str, rows: pa.Table) -> None:
        if rows.num_rows:
            self._open[table, split].write_table(rows)


def _concatenate(parts: list[Path], schema: pa.Schema, out: Path) -> None:
    """Write the rows of several Parquet files into one, in their order, and remove them."""
    joined = out.with_name(f".{out.name}.part")
    with _writing(joined, schema, compression="zstd") as writer:
        for part in parts:
            with pq.ParquetFile(part) as file:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group))
            part.unlink()
    joined.rename(out)
