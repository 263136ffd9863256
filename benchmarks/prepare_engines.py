"""Compare DuckDB with Polars on the main work of `deeper prepare`: parse, deduplicate, keep long users, sort, write.

    deeper synth raw movielens_20m --ratings 20000000 --out made/movielens
    deeper synth raw amazon_books --ratings 20000000 --out made/books
    pip install polars
    python benchmarks/prepare_engines.py made/movielens/ratings.csv made/books/Books_5.json.gz > engines.json

Each engine reads each file in its own process, as its documentation advises for files larger than memory. Both must
write the same rows: their number and the sum of their ratings are compared. `deeper prepare` uses DuckDB. Only this
comparison needs Polars.
"""

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deeper.storage.provenance import provenance

ENGINES = ("duckdb", "polars")
LONG_USER_RATINGS = 70
NAMES = {"csv": ("userId", "movieId", "rating", "timestamp"), "gz": ("reviewerID", "asin", "overall", "unixReviewTime")}


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--memory", default="3GB", show_default=True, help="DuckDB's limit; Polars has none.")
@click.option("--repeats", default=1, show_default=True, help="Runs of each engine in turn; the fastest counts.")
def main(files: tuple[Path, ...], memory: str, repeats: int) -> None:
    """Print seconds, peak memory and rows of both engines on each of FILES, as JSON."""
    results = []
    for file in files:
        runs = [{"engine": name, **_measure(name, file, memory)} for _ in range(repeats) for name in ENGINES]
        best = [min((r for r in runs if r["engine"] == name), key=lambda r: r["seconds"]) for name in ENGINES]
        if best[0]["rows"] != best[1]["rows"] or abs(best[0]["sum"] - best[1]["sum"]) > 0.5:
            raise click.ClickException(f"{file}: the engines disagree: {best}")
        results.append({"file": file.name, "bytes": file.stat().st_size, "engines": best})
    click.echo(
        json.dumps({"benchmark": "prepare_engines", **provenance(), "memory": memory, "results": results}, indent=1)
    )


def _measure(engine: str, file: Path, memory: str) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        out = Path(folder) / "sorted.parquet"
        queue: Any = context.Queue()
        process = context.Process(target=_run, args=(engine, file, out, memory, queue))
        process.start()
        process.join()
        if process.exitcode:
            raise click.ClickException(f"{engine} failed on {file} with exit code {process.exitcode}")
        measured = queue.get()
        ratings = pq.read_table(out, columns=["rating"])["rating"]
    return {**measured, "rows": len(ratings), "sum": pc.sum(ratings).as_py()}


def _run(engine: str, file: Path, out: Path, memory: str, queue: Any) -> None:
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    (_duckdb if engine == "duckdb" else _polars)(file, out, memory)
    seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    queue.put({"seconds": round(seconds, 2), "peak_gib": round(peak / 2**20, 3), "base_gib": round(base / 2**20, 3)})


def _duckdb(file: Path, out: Path, memory: str) -> None:
    import duckdb

    user, item, rating, seconds = NAMES[file.suffix[1:]]
    types = {user: "VARCHAR", item: "VARCHAR", rating: "FLOAT", seconds: "BIGINT"}
    reader = "read_csv($file, columns=$types)" if file.suffix == ".csv" else "read_json($file, columns=$types)"
    with duckdb.connect(config={"memory_limit": memory, "temp_directory": str(out.parent)}) as con:
        con.execute("SET preserve_insertion_order = false")
        con.execute(
            f"""COPY (
                WITH raw AS (SELECT "{user}" AS u, "{item}" AS i, "{rating}" AS rating, "{seconds}" AS t
                             FROM {reader.replace("$file", repr(str(file))).replace("$types", str(types))}),
                once AS (SELECT u, i, min(t) AS t, arg_min(rating, t * 100 + CAST(rating * 10 AS BIGINT)) AS rating
                         FROM raw GROUP BY u, i)
                SELECT * FROM once WHERE u IN (SELECT u FROM once GROUP BY u HAVING count(*) >= {LONG_USER_RATINGS})
                ORDER BY u, t, i) TO '{out}' (FORMAT parquet)"""
        )


def _polars(file: Path, out: Path, memory: str) -> None:
    import polars as pl

    user, item, rating, seconds = NAMES[file.suffix[1:]]
    schema = {user: pl.String, item: pl.String, rating: pl.Float32, seconds: pl.Int64}
    scan = pl.scan_csv if file.suffix == ".csv" else pl.scan_ndjson
    raw = scan(file, schema=schema).select(u=user, i=item, rating=rating, t=seconds)
    order = pl.col("t") * 100 + (pl.col("rating") * 10).cast(pl.Int64)
    once = raw.group_by("u", "i").agg(pl.col("t").min(), pl.col("rating").sort_by(order).first())
    long = once.group_by("u").len().filter(pl.col("len") >= LONG_USER_RATINGS).select("u")
    once.join(long, on="u", how="semi").sort("u", "t", "i").sink_parquet(out)


if __name__ == "__main__":
    sys.exit(main())
