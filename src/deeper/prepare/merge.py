"""One rating of a user and item, and the users who are long enough: bucket by bucket."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from deeper.domains import Domain
from deeper.prepare.database import path_list, quoted
from deeper.prepare.sources import FIRST
from deeper.prepare.stage import Staged

COUNTS = ("rows", "repeats", "exact_repeats", "unrated", "untitled", "short", "kept", "users", "users_long")
"""Of a bucket: rows that were read; merged into another one, exactly or not; without a rating, after merging; left out
for want of a title, or with their short user; kept. And users, and those who are long enough."""


@dataclass(frozen=True)
class Rule:
    """Which ratings and users stay.

    Attributes:
        keep: Which of several ratings of one user and item: `FIRST` or `LAST`; a real one before "no rating".
        needed: Ratings that a user must have.
        titled: Whether ratings of items without a title are left out.
    """

    keep: str
    needed: int
    titled: bool


def merge_bucket(
    con: duckdb.DuckDBPyConnection, staged: Sequence[Staged], bucket: int, titles: Path, domain: Domain, rule: Rule,
    out: Path,
) -> dict[str, int]:  # fmt: skip
    """Write the ratings of a bucket that stay.

    Args:
        con: The database.
        staged: The ratings files, in their order.
        bucket: Which bucket of each.
        titles: The file of clean titles.
        domain: Tells which ratings mean "no rating".
        rule: Which ratings and users stay.
        out: The Parquet file: user, item, rating, time; and `n`, how many the user has.

    Returns:
        `COUNTS`.
    """
    sources = [
        f"SELECT user, item, rating, time, {number}::BIGINT * 1000000000000 + line AS row "
        f"FROM read_parquet({path_list(files)}, hive_partitioning = false)"
        for number, one in enumerate(staged)
        if (files := sorted(one.folder.glob(f"bucket={bucket}/*.parquet")))
    ]
    empty = "SELECT '' AS user, '' AS item, 0::FLOAT AS rating, TIMESTAMP '2000-01-01' AS time, 0 AS row WHERE false"
    con.execute(f"CREATE OR REPLACE TEMP TABLE bucket AS {' UNION ALL '.join(sources or [empty])}")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE repeated AS SELECT user, item FROM bucket GROUP BY ALL HAVING count(*) > 1"
    )
    unrated = f"rating IN ({', '.join(f'{value:g}' for value in domain.unrated)})" if domain.unrated else "false"
    order = "time, row" if rule.keep == FIRST else "time DESC, row DESC"
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE merged AS
            SELECT user, item, rating, time FROM bucket ANTI JOIN repeated USING (user, item)
            UNION ALL
            SELECT user, item, rating, time FROM bucket SEMI JOIN repeated USING (user, item)
            QUALIFY row_number() OVER (PARTITION BY user, item ORDER BY {unrated}, {order}) = 1"""
    )
    titled = f"SEMI JOIN (SELECT item FROM read_parquet({quoted(str(titles))})) USING (item)" if rule.titled else ""
    con.execute(f"CREATE OR REPLACE TEMP TABLE titled AS SELECT * FROM merged {titled}" if titled else "SELECT 1")
    left = "titled" if titled else "merged"
    part = out.with_name(f"{out.name}.partial")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE long AS SELECT user, count(*) AS n FROM {left} GROUP BY user "
        f"HAVING count(*) >= {rule.needed}"
    )
    con.execute(
        f"COPY (SELECT user, item, rating, time, n FROM {left} JOIN long USING (user)) TO {quoted(str(part))} "
        "(FORMAT parquet)"
    )
    row = con.execute(
        f"""SELECT (SELECT count(*) FROM bucket), (SELECT count(*) FROM merged),
            (SELECT count(*) - count(DISTINCT (user, item, rating, time)) FROM bucket
                SEMI JOIN repeated USING (user, item)),
            (SELECT count(*) FROM merged WHERE {unrated}),
            (SELECT count(*) FROM {left}), (SELECT coalesce(sum(n), 0) FROM long),
            (SELECT count(DISTINCT user) FROM bucket), (SELECT count(*) FROM long)"""
    ).fetchall()[0]
    rows, merged, exact, without, left_rows, kept, users, users_long = map(int, row)
    for table in ("bucket", "repeated", "merged", "titled", "long"):
        con.execute(f"DROP TABLE IF EXISTS {table}")
    part.rename(out)
    values = (rows, rows - merged, exact, without, merged - left_rows, left_rows - kept, kept, users, users_long)
    return dict(zip(COUNTS, values, strict=True))
