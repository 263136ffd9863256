"""One rating of a user and item, and the users who are long enough: bucket by bucket."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from deeper.domains import Domain
from deeper.prepare.database import path_list, quoted
from deeper.prepare.raw_to_parquet import Staged
from deeper.prepare.sources import FIRST

EMPTY = "SELECT '' AS user, '' AS item, 0::FLOAT AS rating, TIMESTAMP '2000-01-01' AS time, 0 AS row WHERE false"


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
        Counts of ratings: `rows` that were read; `repeats` merged into another one, `exact_repeats` of them the same
        in time and rating; after merging `unrated`; `untitled` ones left out; those of users that are too `short`;
        `kept` ones. And of `users`, and `users_long` enough.
    """
    sources = [
        f"SELECT user, item, rating, time, {number}::BIGINT * 1000000000000 + line AS row "
        f"FROM read_parquet({path_list(files)}, hive_partitioning = false)"
        for number, one in enumerate(staged)
        if (files := sorted(one.folder.glob(f"bucket={bucket}/*.parquet")))
    ]
    con.execute(f"CREATE OR REPLACE TEMP TABLE bucket AS {' UNION ALL '.join(sources or [EMPTY])}")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE repeated AS SELECT user, item FROM bucket GROUP BY ALL HAVING count(*) > 1"
    )
    unrated = f"rating IN ({', '.join(f'{value:g}' for value in domain.unrated)})" if domain.unrated else "false"
    order = "time, row" if rule.keep == FIRST else "time DESC, row DESC"
    # Few ratings are repeated, and few items are without a title: what is large is read once more, not copied.
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE best AS
            SELECT user, item, rating, time FROM bucket SEMI JOIN repeated USING (user, item)
            QUALIFY row_number() OVER (PARTITION BY user, item ORDER BY {unrated}, {order}) = 1"""
    )
    has_repeats = bool(_one(con, "SELECT count(*) FROM best"))
    single = "bucket ANTI JOIN repeated USING (user, item)" if has_repeats else "bucket"
    con.execute(
        f"""CREATE OR REPLACE TEMP VIEW merged AS
            SELECT user, item, rating, time FROM {single} UNION ALL SELECT * FROM best"""
    )
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE untitled AS SELECT DISTINCT item FROM bucket
            WHERE {rule.titled} AND item NOT IN (SELECT item FROM read_parquet({quoted(str(titles))}))"""
    )
    left = "merged ANTI JOIN untitled USING (item)" if _one(con, "SELECT count(*) FROM untitled") else "merged"
    con.execute(f"CREATE OR REPLACE TEMP TABLE long AS SELECT user, count(*) AS n FROM {left} GROUP BY user")
    part = out.with_name(f"{out.name}.partial")
    con.execute(
        f"""COPY (SELECT user, item, rating, time, n FROM {left} JOIN long USING (user) WHERE n >= {rule.needed})
            TO {quoted(str(part))} (FORMAT parquet)"""
    )
    rows, merged = _one(con, "SELECT count(*) FROM bucket"), _one(con, "SELECT count(*) FROM merged")
    titled, kept, users_long = map(
        int,
        con.execute(
            f"""SELECT coalesce(sum(n), 0), coalesce(sum(n) FILTER (n >= {rule.needed}), 0),
                count(*) FILTER (n >= {rule.needed}) FROM long"""
        ).fetchall()[0],
    )
    counts = {
        "rows": rows,
        "repeats": rows - merged,
        "exact_repeats": _one(
            con,
            """SELECT count(*) - count(DISTINCT (user, item, rating, time))
               FROM bucket SEMI JOIN repeated USING (user, item)""",
        ),
        "unrated": _one(con, f"SELECT count(*) FROM merged WHERE {unrated}") if domain.unrated else 0,
        "untitled": merged - titled,
        "short": titled - kept,
        "kept": kept,
        "users": _one(con, "SELECT count(DISTINCT user) FROM bucket"),
        "users_long": users_long,
    }
    con.execute("DROP VIEW merged")
    for table in ("bucket", "repeated", "best", "untitled", "long"):
        con.execute(f"DROP TABLE {table}")
    part.rename(out)
    return counts


def _one(con: duckdb.DuckDBPyConnection, query: str) -> int:
    """The one number that a query gives."""
    return int(con.execute(query).fetchall()[0][0])
