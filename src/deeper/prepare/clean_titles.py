"""Clean the titles of items: remove tags, entities and hidden characters; treat scraped code as no title."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow as pa
import pyarrow.compute as pc_typed
import pyarrow.parquet as pq

from deeper.behaviour.titles import clean_title, has_title
from deeper.prepare.database import path_list
from deeper.prepare.raw_to_parquet import StagedFile

pc: Any = pc_typed
"""pyarrow.compute, whose stubs refuse plain values beside arrays."""

TITLES = pa.schema([pa.field("item", pa.string(), nullable=False), pa.field("title", pa.string(), nullable=False)])
MAX_RAW_TITLE_CHARACTERS = 2000
"""A longer title is scraped page text."""

SCRAPED_CODE = "getTime"
"""Occurs in every title that is scraped JavaScript."""

_TAGS = "a|b|big|br|center|div|em|font|h[1-6]|hr|i|img|li|ol|p|script|small|span|strong|style|sub|sup|table|td|tr|u|ul"
_TAG = re.compile(rf"</?(?:{_TAGS})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_TAIL = re.compile(r"[\"'\s]*/>$")
CLEAN_TITLE_PATTERN = r"^[!-%'-;=?-~]+( [!-%'-;=?-~]+)*$"
"""Matches titles that need no cleaning: ASCII without &, < and >, single blanks."""


def clean_raw_title(title: str) -> str:
    """Return a raw title as it is stored; empty if there is none.

    Besides what `clean_title` does, HTML tags are removed, and the rest of a tag at the end (`" />`). Other tags stay:
    "<Untitled>" is a title. Scraped code, titles of more than 2000 characters and "Unknown" count as no title.
    """
    cleaned = clean_title(title)
    if len(cleaned) > MAX_RAW_TITLE_CHARACTERS or SCRAPED_CODE in cleaned or not has_title(cleaned):
        return ""
    # Removing a tag may join the parts of another one.
    while (bare := clean_title(_TAIL.sub("", _TAG.sub(" ", cleaned)))) != cleaned:
        cleaned = bare
    return cleaned if has_title(cleaned) else ""


def write_titles(con: duckdb.DuckDBPyConnection, metas: Sequence[StagedFile], out: Path) -> Counter[str]:
    """Write the clean title of every item that has one; if an item has several rows, its first title is used.

    Args:
        con: The database.
        metas: Staged meta files, in their order.
        out: The Parquet file, with the columns of `TITLES`.

    Returns:
        Counts: `items`, `titles_cleaned`, `items_untitled`, `items_repeated` (rows beyond an item's first).
    """
    counts: Counter[str] = Counter()
    sources = [
        f"SELECT item, title, {number} AS file, line FROM read_parquet({path_list(files)})"
        for number, meta in enumerate(metas)
        if (files := sorted(meta.folder.glob("bucket=0/*.parquet")))
    ]
    part = out.with_name(f"{out.name}.partial")
    with pq.ParquetWriter(part, TITLES, compression="zstd") as writer:
        if sources:
            query = f"""
                SELECT item, count(*) AS n,
                       arg_min(title, file * 1000000000000 + line) FILTER (trim(title) <> '') AS title
                FROM ({" UNION ALL ".join(sources)}) GROUP BY item ORDER BY item"""
            for batch in con.sql(query).to_arrow_reader(200_000):
                writer.write_table(_clean(pa.Table.from_batches([batch]), counts))
    part.rename(out)
    return counts


def _clean(raw: pa.Table, counts: Counter[str]) -> pa.Table:
    """Clean the titles of a batch; for speed, Python sees only those that may need it."""
    title = pc.fill_null(raw["title"].cast(pa.string()), "")
    is_clean = pc.and_(
        pc.match_substring_regex(title, CLEAN_TITLE_PATTERN), pc.invert(pc.match_substring(title, SCRAPED_CODE))
    )
    is_clean = pc.and_(is_clean, pc.less_equal(pc.utf8_length(title), MAX_RAW_TITLE_CHARACTERS))
    is_clean = pc.and_(is_clean, pc.not_equal(title, "Unknown"))
    unclean = cast(list[str], title.filter(pc.invert(is_clean)).to_pylist())
    mended = pa.array([clean_raw_title(text) for text in unclean], pa.string())
    cleaned = pc.replace_with_mask(title.combine_chunks(), pc.invert(is_clean).combine_chunks(), mended)
    is_titled = pc.not_equal(cleaned, "")
    counts["items"] += raw.num_rows
    counts["items_untitled"] += raw.num_rows - (pc.sum(is_titled).as_py() or 0)
    counts["items_repeated"] += (pc.sum(raw["n"]).as_py() or 0) - raw.num_rows
    counts["titles_cleaned"] += pc.sum(pc.and_(is_titled, pc.not_equal(cleaned, title.combine_chunks()))).as_py() or 0
    table = pa.Table.from_pydict({"item": raw["item"].cast(pa.string()), "title": cleaned}).filter(is_titled)
    return table.cast(TITLES)
