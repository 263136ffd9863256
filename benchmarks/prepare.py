"""Measure the time and memory of `deeper prepare`: `docs/results/prepare.json`.

    for n in 5 20 100; do
        deeper synth raw movielens_20m --ratings ${n}000000 --out made/movielens-$n
    done
    deeper synth raw amazon_books --ratings 20000000 --out made/books-20
    python benchmarks/prepare.py made/movielens-5 made/movielens-20 made/movielens-100 made/books-20 \
        --pandas made/movielens-5 --work made/out --out docs/results/prepare.json

Each measurement runs in its own process, on the same files:

    prepare          raw files to windows, with the paper's users
    parse_and_sort   DuckDB reads the ratings file with its own reader, sorts by user and time, and writes Parquet
    pandas           what a researcher would write: read, merge titles, drop duplicates, keep long users, sample, cut
                     windows; on the files of --pandas
    least            the least work with DuckDB: read, keep one rating and time for each user and item, count those of
                     each user; no line numbers, no titles, no output; on the files of --pandas

Seconds are the least of --repeats. Memory is the peak of the process. The figures:

    vs_parse_and_sort       prepare / parse_and_sort, on the largest file of each domain with at most 20M ratings
    vs_pandas               pandas / prepare
    vs_pandas_at_most       pandas / least: the highest vs_pandas that DuckDB allows
    peak_gib_20m, _100m     peak memory of prepare, the largest of the files of that size
    per_rating_100m_vs_5m   seconds for each rating, the largest file against the smallest of the domain

A figure is null if its file was not given.
"""

import json
import multiprocessing
import resource
import shutil
import time
from pathlib import Path
from typing import Any

import click

from deeper.prepare.raw.find import find_raw_files
from deeper.prepare.settings import PrepareSettings
from deeper.prepare.sources import find_source
from deeper.storage.provenance import provenance

MEMORY_GIB = 2.0
MILLION = 1_000_000


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--pandas", "small", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--repeats", default=1, show_default=True, type=click.IntRange(1))
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Folder for output; it is emptied.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False))
def main(folders: tuple[Path, ...], small: tuple[Path, ...], repeats: int, work: Path, out: Path) -> None:
    """Measure FOLDERS of deeper synth raw, and write the JSON."""
    rows: list[dict[str, Any]] = []
    for folder in folders:
        truth = json.loads((folder / "truth" / "truth.json").read_text("utf-8"))
        ways = [_prepare, _parse_and_sort, *([_pandas, _least] if folder in small else [])]
        runs = {way.__name__[1:]: [_measure(way, folder, work, truth) for _ in range(repeats)] for way in ways}
        if {run["users"] for name in ("prepare", "pandas") for run in runs.get(name, [])} != {
            truth["long_users_titled"]
        }:
            raise click.ClickException(f"{folder}: not all users were found: {runs}")
        best = {name: min(found, key=lambda run: run["seconds"]) for name, found in runs.items()}
        row = {"domain": truth["domain"], "format": truth["format"], "ratings": truth["ratings"], **best}
        rows.append(row)
        click.echo(json.dumps(row))
    result = {
        "benchmark": "prepare",
        **provenance(),
        "seed": 1,
        "memory_gib": MEMORY_GIB,
        **figures(rows),
        "runs": rows,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of the measurements."""
    compared: dict[str, float] = {}
    for row in sorted(rows, key=lambda row: row["ratings"]):
        if row["ratings"] <= 20 * MILLION:
            compared[row["domain"]] = round(row["prepare"]["seconds"] / row["parse_and_sort"]["seconds"], 2)

    def against(way: str) -> dict[str, float] | None:
        found = {f"{row['domain']}, {row['ratings']} ratings": round(row["pandas"]["seconds"] / row[way]["seconds"], 2)
                 for row in rows if "pandas" in row}  # fmt: skip
        return found or None

    peaks = {
        size: max((row["prepare"]["peak_gib"] for row in rows if row["ratings"] == size * MILLION), default=None)
        for size in (20, 100)
    }
    each = {row["ratings"] // MILLION: row["prepare"]["seconds"] / row["ratings"] for row in rows
            if row["domain"] == "movielens_20m"}  # fmt: skip
    return {
        "vs_parse_and_sort": compared,
        "vs_pandas": against("prepare"),
        "vs_pandas_at_most": against("least"),
        "peak_gib_20m": peaks[20],
        "peak_gib_100m": peaks[100],
        "per_rating_100m_vs_5m": round(each[100] / each[5], 3) if {5, 100} <= each.keys() else None,
    }


def _measure(way: Any, folder: Path, work: Path, truth: dict[str, Any]) -> dict[str, Any]:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    context = multiprocessing.get_context("spawn")
    queue: Any = context.Queue()
    process = context.Process(target=_run, args=(way, folder, work, truth, queue))
    process.start()
    process.join()
    if process.exitcode:
        raise click.ClickException(f"{way.__name__[1:]} failed on {folder} with exit code {process.exitcode}")
    return queue.get()


def _run(way: Any, folder: Path, work: Path, truth: dict[str, Any], queue: Any) -> None:
    name, source = find_source(truth["domain"])
    raw = find_raw_files(PrepareSettings(domain=name, raw=str(folder)), name, source)
    began = time.monotonic()
    users = way(raw, work, truth)
    seconds = time.monotonic() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    peak = usage.ru_maxrss / 2**20
    queue.put({"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "peak_gib": round(peak, 3), "users": users})


def _prepare(raw: Any, work: Path, truth: dict[str, Any]) -> int:
    from rich.console import Console

    from deeper.prepare.one_domain import Options, prepare

    settings = PrepareSettings(domain=truth["domain"], ratings=raw.ratings, meta=raw.meta)
    options = Options(work / "key", MEMORY_GIB)
    return prepare(settings, work / "out", options, Console(quiet=True))["ratings"]["users_long"]


def _parse_and_sort(raw: Any, work: Path, truth: dict[str, Any]) -> None:
    from deeper.prepare.database import database

    names = [raw.reader.ratings.names[name][0] for name in ("user", "item", "rating", "time")]
    types = dict(zip(names, ("VARCHAR", "VARCHAR", "FLOAT", "BIGINT"), strict=True))
    with database(work / "spill", MEMORY_GIB) as con:
        con.execute(
            f"COPY (SELECT * FROM read_{raw.reader.record_format}('{raw.ratings[0]}', columns={types}) "
            f'ORDER BY "{names[0]}", "{names[3]}") TO \'{work / "sorted.parquet"}\' (FORMAT parquet)'
        )


def _least(raw: Any, work: Path, truth: dict[str, Any]) -> int:
    from deeper.prepare.database import database

    user, item, rating, time = (raw.reader.ratings.names[name][0] for name in ("user", "item", "rating", "time"))
    number = "BIGINT" if raw.reader.record_format == "csv" else "VARCHAR"
    types = {user: number, item: number, rating: "FLOAT", time: "BIGINT"}
    needed = find_source(truth["domain"])[1].windows * 10
    with database(work / "spill", MEMORY_GIB) as con:
        found = con.execute(
            f"""SELECT count(*) FROM (
                SELECT count(given) AS n, max(latest) AS last FROM (
                    SELECT "{user}" AS who, arg_max("{rating}", "{time}") AS given, max("{time}") AS latest
                    FROM read_{raw.reader.record_format}('{raw.ratings[0]}', columns={types}) GROUP BY who, "{item}")
                GROUP BY who) WHERE n >= {needed} AND last > 0"""
        )
        return found.fetchall()[0][0]


def _pandas(raw: Any, work: Path, truth: dict[str, Any]) -> int:
    import html

    import pandas as pd

    source = find_source(truth["domain"])[1]
    needed = source.windows * 10
    names = {names[0]: name for name, names in raw.reader.ratings.names.items()}
    if raw.reader.record_format == "csv":
        ratings = pd.read_csv(raw.ratings[0]).rename(columns=names)
        meta = pd.read_csv(raw.meta[0])
    else:
        ratings = pd.read_json(raw.ratings[0], lines=True)[list(names)].rename(columns=names)
        meta = pd.read_json(raw.meta[0], lines=True)
    fields = raw.reader.meta.names
    meta = meta.rename(columns={fields["item"][0]: "item", fields["title"][0]: "title"})[["item", "title"]]
    meta["title"] = meta["title"].fillna("").map(html.unescape).str.replace(r"\s+", " ", regex=True).str.strip()
    meta = meta[(meta["title"] != "") & ~meta["title"].str.contains("getTime")].drop_duplicates("item")
    ratings = ratings.sort_values(["user", "time"]).drop_duplicates(["user", "item"], keep=source.keep)
    ratings = ratings.merge(meta, on="item").sort_values(["user", "time"])
    ratings = ratings.groupby("user").filter(lambda own: len(own) >= needed)
    long = ratings["user"].unique()
    sampled = ratings[ratings["user"].isin(long[: source.train + source.eval])]
    windows: list[dict[str, Any]] = []
    for user, own in sampled.groupby("user")[["item", "title", "rating", "time"]]:
        events = own.head(needed).to_dict("records")
        windows += [{"user": user, "k": k, "items": events[k * 10 : k * 10 + 10]} for k in range(source.windows)]
    pd.DataFrame(windows).to_parquet(work / "windows.parquet")
    return len(long)


if __name__ == "__main__":
    main()
