"""Keep one rating of each user and item, and the users with enough ratings, bucket by bucket."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from deeper.behaviour.repeats import is_repeat
from deeper.domains import Domain
from deeper.prepare.database import path_list, quoted
from deeper.prepare.raw_to_parquet import StagedFile
from deeper.prepare.sources import KEEP_FIRST

EMPTY_BUCKET_SQL = (
    "SELECT '' AS user, '' AS item, 0::FLOAT AS rating, TIMESTAMP '2000-01-01' AS time, 0 AS row WHERE false"
)


@dataclass(frozen=True)
class MergeRule:
    """Which ratings and users to keep.

    Attributes:
        keep: Which of several ratings of one user and item: `KEEP_FIRST` or `KEEP_LAST`; real ratings go before
            "no rating".
        min_ratings: Ratings that a user must have.
        drop_untitled: Whether to leave out ratings of items without a title.
    """

    keep: str
    min_ratings: int
    drop_untitled: bool


def merge_bucket(
    con: duckdb.DuckDBPyConnection, staged: Sequence[StagedFile], bucket: int, titles: Path, domain: Domain,
    rule: MergeRule, out: Path,
) -> dict[str, int]:  # fmt: skip
    """Write the ratings of a bucket that are kept.

    Args:
        con: The database.
        staged: The ratings files, in their order.
        bucket: The bucket's number.
        titles: The file of clean titles.
        domain: Provides the ratings that mean "no rating".
        rule: Which ratings and users to keep.
        out: The Parquet file: user, item, rating, time, and `n`, the user's number of ratings.

    Returns:
        Counts of ratings: `rows` read; `repeats` merged into another one (`exact_repeats`: those of `is_repeat`);
        `unrated` after merging; left out as `untitled`; left out as the user's history is too `short`; `kept`. Counts
        of users: `users`, and `users_long` with enough ratings.
    """
    sources = [
        f"SELECT user, item, rating, time, {number}::BIGINT * 1000000000000 + line AS row "
        f"FROM read_parquet({path_list(files)}, hive_partitioning = false)"
        for number, file in enumerate(staged)
        if (files := sorted(file.folder.glob(f"bucket={bucket}/*.parquet")))
    ]
    con.execute(f"CREATE OR REPLACE TEMP TABLE bucket AS {' UNION ALL '.join(sources or [EMPTY_BUCKET_SQL])}")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE repeated AS SELECT user, item FROM bucket GROUP BY ALL HAVING count(*) > 1"
    )
    unrated = f"rating IN ({', '.join(f'{value:g}' for value in domain.unrated)})" if domain.unrated else "false"
    order = "time, row" if rule.keep == KEEP_FIRST else "time DESC, row DESC"
    # Repeats and items without a title are few. The large rest is read a second time rather than copied.
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE best AS
            SELECT user, item, rating, time FROM bucket SEMI JOIN repeated USING (user, item)
            QUALIFY row_number() OVER (PARTITION BY user, item ORDER BY {unrated}, {order}) = 1"""
    )
    has_repeats = bool(_count(con, "SELECT count(*) FROM best"))
    single = "bucket ANTI JOIN repeated USING (user, item)" if has_repeats else "bucket"
    con.execute(
        f"""CREATE OR REPLACE TEMP VIEW merged AS
            SELECT user, item, rating, time FROM {single} UNION ALL SELECT * FROM best"""
    )
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE untitled AS SELECT DISTINCT item FROM bucket
            WHERE {rule.drop_untitled} AND item NOT IN (SELECT item FROM read_parquet({quoted(str(titles))}))"""
    )
    left = "merged ANTI JOIN untitled USING (item)" if _count(con, "SELECT count(*) FROM untitled") else "merged"
    con.execute(f"CREATE OR REPLACE TEMP TABLE long AS SELECT user, count(*) AS n FROM {left} GROUP BY user")
    part = out.with_name(f"{out.name}.partial")
    con.execute(
        f"""COPY (SELECT user, item, rating, time, n FROM {left} JOIN long USING (user) WHERE n >= {rule.min_ratings})
            TO {quoted(str(part))} (FORMAT parquet)"""
    )
    several = con.sql("SELECT user, item, rating, time FROM bucket SEMI JOIN repeated USING (user, item)")
    rows, merged = _count(con, "SELECT count(*) FROM bucket"), _count(con, "SELECT count(*) FROM merged")
    titled, kept, users_long = map(
        int,
        con.execute(
            f"""SELECT coalesce(sum(n), 0), coalesce(sum(n) FILTER (n >= {rule.min_ratings}), 0),
                count(*) FILTER (n >= {rule.min_ratings}) FROM long"""
        ).fetchall()[0],
    )
    counts = {
        "rows": rows,
        "repeats": rows - merged,
        "exact_repeats": int(is_repeat(several.to_arrow_table()).sum()),
        "unrated": _count(con, f"SELECT count(*) FROM merged WHERE {unrated}") if domain.unrated else 0,
        "untitled": merged - titled,
        "short": titled - kept,
        "kept": kept,
        "users": _count(con, "SELECT count(DISTINCT user) FROM bucket"),
        "users_long": users_long,
    }
    con.execute("DROP VIEW merged")
    for table in ("bucket", "repeated", "best", "untitled", "long"):
        con.execute(f"DROP TABLE {table}")
    part.rename(out)
    return counts


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])
