"""Summarise a data folder: counts, histograms, lengths, odd titles, time span."""

from pathlib import Path
from typing import Any

import duckdb

from deeper.behaviour.titles import clean_title, has_title
from deeper.domains import BUILTIN
from deeper.errors import UserError
from deeper.prepare.database import database, quoted

MAX_TITLES_SHOWN = 20
"""Odd titles shown of each sort; all are counted."""

LONG_TITLE_CHARACTERS = 300
COMPLETE_ROW_SQL = "user IS NOT NULL AND title IS NOT NULL AND rating IS NOT NULL AND time IS NOT NULL"
ODD_TITLES = {
    "not clean": "entities, hidden characters or extra blanks",
    "no title": "empty or Unknown",
    "looks like code": "braces, tags or scripts",
    "very long": f"more than {LONG_TITLE_CHARACTERS} characters",
    "names a rating": "words such as five stars, which a model may take for a rating",
    "gives an order": "words that a model may take for an instruction",
}
"""Sorts of odd titles, and what they mean."""

_PATTERNS = {
    "looks like code": r"</?[a-zA-Z][^>]*>|\{[^}]*\}|function\s*\(|getTime|javascript:",
    "names a rating": r"(?i)\b(?:[0-9](?:\.5)?|one|two|three|four|five)[ -]stars?\b",
    "gives an order": r"(?i)\b(?:ignore|disregard|forget)\b.{0,30}\b(?:instruction|prompt|previous)|\bsystem prompt\b",
}


def inspect(folder: Path, memory_gib: float = 2.0) -> dict[str, Any]:
    """Summarise a folder made by `deeper prepare` or `deeper synth users`, or one of your own with Parquet.

    Args:
        folder: Holds behaviour.parquet.
        memory_gib: Memory limit of the database, in GiB.

    Returns:
        One entry for each domain: `counts`; `mean` rating; `first` and `last` time; histograms as (lower bound, count)
        of `ratings`, `ratings_of_users`, `days_of_users`, `title_lengths` and `years`; and `odd` titles by sort, each
        with `count` and `some` examples.

    Raises:
        UserError: There is no behaviour.parquet, or it cannot be read.
    """
    path = folder / "behaviour.parquet"
    if not path.is_file():
        raise UserError(
            "there is no behaviour.parquet", where=str(folder), do="name a folder that deeper prepare has made"
        )
    with database(folder / ".spill", memory_gib) as con:
        try:
            con.execute(f"CREATE VIEW everything AS SELECT * FROM read_parquet({quoted(str(path))})")
            columns = {row[0] for row in con.execute("DESCRIBE everything").fetchall()}
            if missing := sorted({"user", "title", "rating", "time"} - columns):
                raise UserError(f"there is no column {', '.join(missing)}", where=str(path), do="see docs/data.md")
            item = "coalesce(item, title)" if "item" in columns else "title"
            domain = "coalesce(domain, '')" if "domain" in columns else "''"
            has = "coalesce(CAST(categories AS VARCHAR), '') NOT IN ('', '[]')" if "categories" in columns else "false"
            values = f"user, title, rating, time, {item} AS item, {domain} AS domain, {has} AS has_categories"
            con.execute(f"CREATE VIEW rows AS SELECT {values} FROM everything")
            con.execute(f"CREATE VIEW items AS SELECT * FROM rows WHERE {COMPLETE_ROW_SQL}")
            names = [row[0] for row in con.execute("SELECT DISTINCT domain FROM items ORDER BY 1").fetchall()]
            return {name or "the folder's own": _domain(con, name) for name in names}
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise UserError(
                f"cannot be read ({str(error).splitlines()[0]})", where=str(path), do="prepare or export the file again"
            ) from error


def _domain(con: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    con.execute(f"CREATE OR REPLACE TEMP VIEW chosen AS SELECT * FROM items WHERE domain = {quoted(name)}")
    con.execute(
        """CREATE OR REPLACE TEMP TABLE users AS SELECT user, count(*) AS n, min(rating) = max(rating) AS constant,
           date_diff('day', min(time), max(time)) AS days, count(*) - count(DISTINCT time) AS ties
           FROM chosen GROUP BY user"""
    )
    con.execute("CREATE OR REPLACE TEMP TABLE titles AS SELECT title, count(*) AS n FROM chosen GROUP BY title")
    row = con.execute(
        """SELECT (SELECT count(*) FROM chosen), (SELECT count(*) FROM users),
           (SELECT count(DISTINCT item) FROM chosen), (SELECT count(*) FROM titles),
           (SELECT count(*) - count(DISTINCT (user, item)) FROM chosen), (SELECT sum(ties) FROM users),
           (SELECT count(*) FROM users WHERE constant), (SELECT avg(rating) FROM chosen),
           (SELECT CAST(min(time) AS VARCHAR) FROM chosen), (SELECT CAST(max(time) AS VARCHAR) FROM chosen)"""
    ).fetchall()[0]
    heads = ("ratings", "users", "items", "titles", "repeats", "ties in time", "users with one rating throughout")
    counts: dict[str, Any] = dict(zip(heads, map(int, row[:7]), strict=True))
    with_categories = con.execute("SELECT count(DISTINCT item) FROM chosen WHERE has_categories").fetchall()
    if with_categories[0][0]:
        counts["items with categories"] = int(with_categories[0][0])
    lacking = con.execute(
        f"SELECT count(*) FROM rows WHERE domain = {quoted(name)} AND NOT ({COMPLETE_ROW_SQL})"
    ).fetchall()
    if lacking[0][0]:
        counts["rows without a value, left out"] = int(lacking[0][0])
    if name in BUILTIN and BUILTIN[name].unrated:
        marks = ", ".join(f"{value:g}" for value in BUILTIN[name].unrated)
        counts["no rating"] = int(
            con.execute(f"SELECT count(*) FROM chosen WHERE rating IN ({marks})").fetchall()[0][0]
        )
    return {
        "counts": counts,
        "mean": row[7],
        "first": row[8],
        "last": row[9],
        "ratings": _histogram(con, "SELECT rating AS x FROM chosen"),
        "ratings_of_users": _histogram(con, "SELECT CAST(pow(2, floor(log2(n))) AS BIGINT) AS x FROM users"),
        "days_of_users": _histogram(con, "SELECT CAST(pow(2, floor(log2(days + 1))) - 1 AS BIGINT) AS x FROM users"),
        "title_lengths": _histogram(con, "SELECT length(title) // 10 * 10 AS x FROM titles"),
        "years": _histogram(con, "SELECT year(time) AS x FROM chosen"),
        "odd": _odd(con),
    }


def _histogram(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[float, int]]:
    rows = con.execute(f"SELECT x, count(*) FROM ({query}) GROUP BY x ORDER BY x").fetchall()
    return [(float(x), int(count)) for x, count in rows]


def _odd(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """Odd titles by sort: how many, and the first of them."""
    found: dict[str, list[str]] = {sort: [] for sort in ODD_TITLES}
    for sort, pattern in _PATTERNS.items():
        rows = con.execute(f"SELECT title FROM titles WHERE regexp_matches(title, {quoted(pattern)}) ORDER BY title")
        found[sort] = [row[0] for row in rows.fetchall()]
    rows = con.execute(f"SELECT title FROM titles WHERE length(title) > {LONG_TITLE_CHARACTERS} ORDER BY title")
    found["very long"] = [row[0] for row in rows.fetchall()]
    # Titles of plain ASCII and single blanks are clean. For speed, Python sees only the others.
    clean = "^[!-%''-~]+( [!-%''-~]+)*$"
    rows = con.execute(f"SELECT title FROM titles WHERE NOT regexp_matches(title, '{clean}') OR title = 'Unknown'")
    others = sorted(row[0] for row in rows.fetchall())
    found["not clean"] = [title for title in others if clean_title(title) != title]
    found["no title"] = [title for title in others if not has_title(title)]
    return {sort: {"count": len(titles), "some": titles[:MAX_TITLES_SHOWN]} for sort, titles in found.items()}
