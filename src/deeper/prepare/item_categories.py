"""Find the categories of the items in the tables: first in the meta files, then without those of nearly all items."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deeper.behaviour.categories import parse_categories, without_near_universal
from deeper.behaviour.schema import CATEGORIES
from deeper.prepare.database import path_list
from deeper.prepare.raw_to_parquet import StagedFile

ITEM_CATEGORIES = pa.schema(
    [
        pa.field("domain", pa.string(), nullable=False),
        pa.field("item", pa.string(), nullable=False),
        pa.field("categories", CATEGORIES, nullable=False),
    ]
)
BATCH_ITEMS = 100_000


def write_categories(
    con: duckdb.DuckDBPyConnection, metas: Sequence[StagedFile], kept: list[Path], sampled: pa.Table, domain: str,
    separator: str, out: Path,
) -> dict[str, Any]:  # fmt: skip
    """Write the clean categories of each item that a sampled user has rated.

    Args:
        con: The database.
        metas: Staged meta files, in their order; of an item's rows, the first with a category counts.
        kept: The files that `merge_bucket` wrote.
        sampled: A `SAMPLED_USERS` table.
        domain: The domain's id.
        separator: What stands between the categories of one raw text.
        out: The Parquet file, with the columns of `ITEM_CATEGORIES`.

    Returns:
        `items` with a category, distinct `categories`, and those `dropped` because too many items have them.
    """
    con.register("sampled", sampled)
    sources = [
        f"SELECT item, categories, {number} AS file, line FROM read_parquet({path_list(files)})"
        for number, meta in enumerate(metas)
        if (files := sorted(meta.folder.glob("bucket=0/*.parquet")))
    ]
    batches = [ITEM_CATEGORIES.empty_table()]
    if sources:
        query = f"""
            WITH rated AS (SELECT DISTINCT item FROM read_parquet({path_list(kept)})
                           WHERE user IN (SELECT raw FROM sampled))
            SELECT item, arg_min(categories, file * 1000000000000 + line) AS categories
            FROM ({" UNION ALL ".join(sources)}) SEMI JOIN rated USING (item)
            WHERE array_to_string(categories, '') NOT IN ('', '[]') GROUP BY item ORDER BY item"""
        for batch in con.sql(query).to_arrow_reader(BATCH_ITEMS):
            found = [parse_categories(value, separator) for value in batch["categories"].to_pylist()]
            columns = [
                pa.array([domain] * batch.num_rows),
                batch["item"].cast(pa.string()),
                pa.array(found, CATEGORIES),
            ]
            batches.append(pa.Table.from_arrays(columns, schema=ITEM_CATEGORIES))
    con.unregister("sampled")
    table, dropped = without_near_universal(pa.concat_tables(batches))
    pq.write_table(table, out, compression="zstd")
    lists = table["categories"]
    return {
        "items": int((pc.list_value_length(lists).to_numpy() > 0).sum()),
        "categories": len(pc.list_flatten(lists).unique()),
        "dropped": dropped,
    }
