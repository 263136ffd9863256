"""Clean titles of items: tags, entities and hidden characters removed, scraped code and blanks counted as none."""

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
from deeper.prepare.raw_to_parquet import Staged

pc: Any = pc_typed
"""pyarrow.compute, whose stubs refuse plain values beside arrays."""

TITLES = pa.schema([pa.field("item", pa.string(), nullable=False), pa.field("title", pa.string(), nullable=False)])
LONGEST = 2000
"""Characters; a longer title is page text that was scraped with it."""

SCRIPT = "getTime"
_TAGS = "a|b|big|br|center|div|em|font|h[1-6]|hr|i|img|li|ol|p|script|small|span|strong|style|sub|sup|table|td|tr|u|ul"
_TAG = re.compile(rf"</?(?:{_TAGS})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_TAIL = re.compile(r"[\"'\s]*/>$")
PLAIN = r"^[!-%'-;=?-~]+( [!-%'-;=?-~]+)*$"
"""Titles that are clean as they are: ASCII without &, < and >, single blanks."""


def clean_raw_title(title: str) -> str:
    """A raw title in the form in which it is stored; empty if it says nothing.

    HTML entities are resolved, tags are removed (of HTML's names only: "<Untitled>" stays), and so is what is left of
    a tag at the end (`" />`); the rest is `clean_title`'s. Scraped code, titles of more than 2000 characters and
    "Unknown" are no titles.
    """
    cleaned = clean_title(title)
    if len(cleaned) > LONGEST or SCRIPT in cleaned or not has_title(cleaned):
        return ""
    # A removed tag may leave the parts of another one.
    while (bare := clean_title(_TAIL.sub("", _TAG.sub(" ", cleaned)))) != cleaned:
        cleaned = bare
    return cleaned if has_title(cleaned) else ""


def write_titles(con: duckdb.DuckDBPyConnection, metas: Sequence[Staged], out: Path) -> Counter[str]:
    """Write the clean title of every item that has one; of several rows of an item, the first with a title counts.

    Args:
        con: The database.
        metas: Staged meta files, in their order.
        out: The Parquet file; columns of `TITLES`.

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
    """Titles of a batch; only those that are not plain are looked at one by one."""
    title = pc.fill_null(raw["title"].cast(pa.string()), "")
    plain = pc.and_(pc.match_substring_regex(title, PLAIN), pc.invert(pc.match_substring(title, SCRIPT)))
    plain = pc.and_(pc.and_(plain, pc.less_equal(pc.utf8_length(title), LONGEST)), pc.not_equal(title, "Unknown"))
    odd = cast(list[str], title.filter(pc.invert(plain)).to_pylist())
    mended = pa.array([clean_raw_title(text) for text in odd], pa.string())
    cleaned = pc.replace_with_mask(title.combine_chunks(), pc.invert(plain).combine_chunks(), mended)
    is_titled = pc.not_equal(cleaned, "")
    counts["items"] += raw.num_rows
    counts["items_untitled"] += raw.num_rows - (pc.sum(is_titled).as_py() or 0)
    counts["items_repeated"] += (pc.sum(raw["n"]).as_py() or 0) - raw.num_rows
    counts["titles_cleaned"] += pc.sum(pc.and_(is_titled, pc.not_equal(cleaned, title.combine_chunks()))).as_py() or 0
    table = pa.Table.from_pydict({"item": raw["item"].cast(pa.string()), "title": cleaned}).filter(is_titled)
    return table.cast(TITLES)
