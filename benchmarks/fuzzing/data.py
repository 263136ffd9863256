"""Targets that read behaviour: your own files, published, prepared and raw ones, and `domain.toml`."""

import csv
import gzip
import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.load import load_windows
from deeper.behaviour.own.folder import read_own
from deeper.behaviour.published.domain_folder import read_published, write_published
from deeper.behaviour.published.hub_contexts import read_hub, write_hub
from deeper.behaviour.published.hub_pairs import read_messages, read_pairs, write_pairs
from deeper.behaviour.published.hub_personas import read_personas, write_personas
from deeper.behaviour.schema import WINDOW
from deeper.commands.execution.population import choose_population
from deeper.domains import BUILTIN, Domain, load_domain
from deeper.evaluation.error_table import baseline_errors
from deeper.prepare.database import database
from deeper.prepare.inspect import inspect
from deeper.prepare.raw import text_records
from deeper.prepare.raw.blocks import blocks
from deeper.prepare.raw.reader import Reader
from deeper.prepare.raw.readers import READERS
from deeper.prepare.raw.recognise import find_reader
from deeper.prepare.raw_to_parquet import Staging, rejected_lines, stage_ratings
from fuzzing.target import Read, SilentChange, Target, same

SIZE, COUNT = 2, 3
"""Size and number of windows: as small as allowed, so that small inputs hold some."""
DOMAIN = 'id = "coves"\nname = "Coves"\nitem_noun = "cove"\nscale = [1, 5, 1]\nunrated = [0]\n'


def events(users: int = 3, count: int = 6) -> list[dict[str, Any]]:
    """Return behaviours of synthetic users."""
    return [
        {"user": f"u{user}", "title": f"Cove {i} & {user}", "rating": float(1 + (user + i) % 5), "time": 1.6e9 + 60 * i}
        for user in range(users)
        for i in range(count)
    ]


def csv_bytes(rows: Sequence[dict[str, Any]]) -> bytes:
    """Return rows as a CSV file."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def fresh(folder: Path) -> Path:
    """Delete a folder if it is there, and return its path."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


# Own files


def own(name: str) -> Callable[[Path], Read]:
    """Read a folder of own ratings; its windows, written as CSV and read again, must be the same."""

    def make(folder: Path) -> Read:
        again = folder / "again"
        again.mkdir()
        for one in (folder, again):
            (one / "domain.toml").write_text(DOMAIN, "utf-8")

        def read(data: bytes) -> None:
            (folder / name).write_bytes(data)
            found = read_own(folder, SIZE, COUNT)
            written = [
                {
                    "user": row["user"],
                    "domain": row["domain"],
                    **item,
                    "time": item["time"].isoformat(),
                    "position": row["k"] * SIZE + place,
                }
                for row in found.windows.to_pylist()
                for place, item in enumerate(row["items"])
            ]
            (again / "behaviour.csv").write_bytes(csv_bytes(written))
            same(found.windows, read_own(again, SIZE, COUNT).windows, "the table of windows")

        return read

    return make


def own_csv(_: Path) -> list[bytes]:
    """CSV files of own ratings: plain; with all columns; with odd times and titles; as a spreadsheet saves it."""
    rows = events()
    full = [{**row, "item": f"i{i}", "domain": "coves", "position": i} for i, row in enumerate(rows)]
    times = ("2024-05-01T18:30:00+02:00", "2024-05-01", "1600000000.25", "0001-01-01T00:00:00")
    odd = [{**row, "time": times[i % 4], "title": f'"&amp;" \u200b{i}'} for i, row in enumerate(rows)]
    sheet = "sep=;\n" + csv_bytes(rows + rows[:1]).decode().replace(",", ";").replace(".0;", ",0;")
    marked = b"\xef\xbb\xbf" + csv_bytes(rows[:12])
    return [csv_bytes(rows), csv_bytes(full), csv_bytes(odd), marked, sheet.encode("utf-16")]


def own_parquet(_: Path) -> list[bytes]:
    """Parquet files of own ratings, with several types of columns."""
    table = pa.Table.from_pylist(events())
    times = table["time"].cast(pa.int64()).cast(pa.timestamp("s"))
    zoned = table.set_column(3, "time", times.cast(pa.timestamp("ms", "Europe/Paris")))
    whole = table.set_column(0, "user", pa.array([i // 6 for i in range(18)]))
    dates = table.set_column(3, "time", times.cast("date32"))
    broken = table.set_column(1, "title", no_text(18))
    return [parquet_bytes(one) for one in (table, zoned, whole, dates, broken)]


def no_text(count: int) -> pa.Array:
    """Return a column of strings that are not UTF-8, as a broken program leaves them."""
    return pa.array([b"\xc3("] * count, pa.binary()).view(pa.string())


# Published files


def record(k: int = 1, user: str = "u1", name: str = "movielens_20m") -> dict[str, Any]:
    """A published context."""
    windows = range(k - 1, k + 2)
    return {
        "id": user,
        "iteration": k,
        "dataset_name": name,
        **{f"U{i}": [4, 3.5] for i in windows},
        **{f"I{i}": [f"A{i} (1999)", "B, The"] for i in windows},
    }


def published(name: str) -> Callable[[Path], Read]:
    """Read a published domain folder; its windows, written in that layout and read again, must be the same."""

    def make(folder: Path) -> Read:
        path = folder / "data" / name
        path.parent.mkdir(parents=True)

        def read(data: bytes) -> None:
            path.write_bytes(data)
            table, _ = read_published(folder / "data", size=SIZE)
            write_published(table, fresh(folder / "again"))
            same(table, read_published(folder / "again", size=SIZE)[0], "the table of windows")

        return read

    return make


def hub(folder: Path) -> Read:
    """Read contexts in the hub layout; written and read again they must be the same."""
    path = folder / "data" / "user_context_train" / "iteration_1.json"
    path.parent.mkdir(parents=True)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        table, _ = read_hub(folder / "data", size=SIZE)
        write_hub(table, fresh(folder / "again"))
        same(table, read_hub(folder / "again", size=SIZE)[0], "the table of windows")

    return read


def contexts(_: Path) -> list[bytes]:
    """Contexts as JSON lines and as an array."""
    many = [record(1), record(2), record(1, "u2")]
    lines = "".join(json.dumps(one) + "\n" for one in many)
    glued = {**record(), "I1": ["A', ''B"]}
    return [lines.encode(), json.dumps(many).encode(), json.dumps(glued, ensure_ascii=False).encode()]


def wide(_: Path) -> list[bytes]:
    """Rows in the wide layout."""
    cell = repr({"items": ["A (1999)", 'B "x"'], "ratings": [4, 0.5]})
    row = {"id": "u1", "dataset_name": "movielens_20m", "split": "train", **{f"windows_{k}": cell for k in range(3)}}
    return [csv_bytes([row, {**row, "id": "u2", "windows_2": ""}])]


def pair_file(folder: Path) -> Read:
    """Read preference pairs; written and read again they must be the same."""

    def read(data: bytes) -> None:
        path, again = folder / "pairs.json", folder / "again.json"
        path.write_bytes(data)
        read_messages(path)
        pairs = read_pairs(path)
        again.unlink(missing_ok=True)
        write_pairs(pairs, again)
        same(pairs, read_pairs(again), "the table of pairs")

    return read


def pair_texts(_: Path) -> list[bytes]:
    """Pairs in both forms."""
    alpaca = {"instruction": "A?", "input": "x", "system": "s", "chosen": "c", "rejected": "r"}
    turns = [{"from": "system", "value": "s"}, {"from": "human", "value": "A?"}]
    shared = {"conversations": turns, "chosen": {"from": "gpt", "value": "c"}, "rejected": "r"}
    roles = {**shared, "conversations": [{"role": "user", "content": "A?"}]}
    return [json.dumps([alpaca]).encode(), json.dumps([shared, alpaca]).encode(), json.dumps(roles).encode() + b"\n"]


def personas(folder: Path) -> Read:
    """Read published personas; written and read again they must be the same."""
    path = folder / "data" / "deeper" / "persona_update_1.jsonl"
    path.parent.mkdir(parents=True)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        found = read_personas(folder / "data")
        write_personas(found, fresh(folder / "again"))
        same(found, read_personas(folder / "again"), "the table of personas")

    return read


def persona_lines(_: Path) -> list[bytes]:
    """Published personas."""
    one = {"id": "u1", "dataset_name": "food_com", "S0": "Likes soup.", "S1": "Dislikes soup.", "P1_0": [5, 4]}
    return [json.dumps(one).encode() + b"\n", json.dumps([one, {**one, "id": "u2"}]).encode()]


# Domains and prepared folders


def domain_file(folder: Path) -> Read:
    """Read domain.toml; written and read again the domain must be the same."""

    def read(data: bytes) -> None:
        path, again = folder / "domain.toml", folder / "again.toml"
        path.write_bytes(data)
        domain = load_domain(path)
        again.write_text(to_toml(domain), "utf-8")
        same(domain, load_domain(again), "the domain")
        same(domain.scale.round(domain.scale.values).tolist(), domain.scale.values.tolist(), "a rating on the scale")

    return read


def to_toml(domain: Domain) -> str:
    """Return a domain as a TOML file."""
    scale = domain.scale
    values: dict[str, Any] = {
        "id": domain.id,
        "name": domain.name,
        "item_noun": domain.item_noun,
        "scale": [scale.minimum, scale.maximum, scale.step],
        "unrated": list(domain.unrated),
        "aliases": list(domain.aliases),
    }
    # TOML spells NaN, Infinity and the delete character in another way.
    lines = [f"{name} = {json.dumps(value).replace('NaN', 'nan')}" for name, value in values.items()]
    lines += [f"seen = {json.dumps(domain.seen)}"] if domain.seen is not None else []
    return "\n".join(lines).replace("\x7f", "\\u007f").replace("Infinity", "inf")


def domains(_: Path) -> list[bytes]:
    """Domains as TOML files."""
    rich = DOMAIN.replace("[1, 5, 1]", "[0.5, 5.0, 0.5]") + 'aliases = ["cov"]\nseen = true\n'
    return [DOMAIN.encode(), rich.encode(), DOMAIN.replace("[1, 5, 1]", "[0, 100, 1]").encode()]


def window_table(users: int = 3, count: int = 3) -> pa.Table:
    """Return windows of MovieLens users, one of them an eval user."""
    rows = [
        {
            "user": f"u{user}",
            "domain": "movielens_20m",
            "split": "train" if user else "eval",
            "k": k,
            "items": [
                {"item": f"i{i}", "title": f"T {i} {k}", "categories": [], "rating": 3.5, "time": None}
                for i in range(10)
            ],
        }
        for user in range(users)
        for k in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=WINDOW)


def prepared(folder: Path) -> Read:
    """Read windows.parquet as an evaluation does: load, choose users, fit baselines, write and read again."""

    def read(data: bytes) -> None:
        (folder / "windows.parquet").write_bytes(data)
        loaded = load_windows(str(folder))
        population = choose_population(loaded, 10, 10)
        baseline_errors(population.table, loaded.domains, 1, ["user_median", "user_histogram"], 1)
        again = fresh(folder / "more")
        again.mkdir()
        pq.write_table(loaded.windows, again / "windows.parquet")
        same(loaded.windows, load_windows(str(again)).windows, "the table of windows")

    return read


def window_files(_: Path) -> list[bytes]:
    """windows.parquet files, and Parquet files that hold other things."""
    table = window_table()
    rows = table.to_pylist()
    bad = [
        [{**row, "domain": "atlantis"} for row in rows],
        [{**row, "split": "test"} for row in rows],
        [{**row, "k": 3 * row["k"]} for row in rows],
        [{**row, "items": row["items"][: row["k"]]} for row in rows],
        [{**row, "items": [{**item, "rating": 7.25} for item in row["items"]]} for row in rows],
        [*rows, *rows],
    ]
    return [parquet_bytes(table), *(parquet_bytes(pa.Table.from_pylist(one, schema=WINDOW)) for one in bad)]


def looked_at(folder: Path) -> Read:
    """Inspect a behaviour.parquet, as `deeper inspect` does."""

    def read(data: bytes) -> None:
        (folder / "behaviour.parquet").write_bytes(data)
        json.dumps(inspect(folder))

    return read


# Raw files


def raw(reader: Reader, name: str) -> Callable[[Path], Read]:
    """Read a raw ratings file; its format is found, and each record is counted once, as good or rejected."""
    domain = next(one for one in BUILTIN.values() if one.id == name)

    def make(folder: Path) -> Read:
        def read(data: bytes) -> None:
            path = folder / "raw"
            path.write_bytes(data)
            found = find_reader(str(path), [reader.name], name)
            work = fresh(folder / "work")
            work.mkdir()
            with database(work / "spill", 1.0) as con:
                staged = stage_ratings(Staging(con, work, lambda _: None), str(path), found, domain, 1)
                bad = rejected_lines(con, staged)
                good = _good(con, staged.folder)
            same(staged.rejected, len(bad), "the number of rejected lines")
            same(staged.lines, len(bad) + len(good), "the number of lines")
            ratings = np.array([rating for _, rating in good], np.float64)
            if not all(domain.accepts(rating) for rating in ratings):
                raise SilentChange("a rating off the scale was taken")
            if len({line for line, _ in good} | {row["line"] for row in bad}) != staged.lines:
                raise SilentChange("two records have one line")

        return read

    return make


def _good(con: duckdb.DuckDBPyConnection, folder: Path) -> list[tuple[int, float]]:
    files = sorted(folder.glob("bucket=0/*.parquet"))
    return con.execute(f"SELECT line, rating FROM read_parquet({list(map(str, files))})").fetchall() if files else []


def both_ways(folder: Path) -> Read:
    """Read raw CSV in whole blocks and record by record; both must give the same."""
    fields = READERS["food_com"].ratings
    wanted = [names[0] for names in fields.names.values()]
    columns = ["user_id", "recipe_id", "date", "rating", "review"]

    def read(data: bytes) -> None:
        path = folder / "raw.csv"
        path.write_bytes(data)
        for block in blocks(str(path), quoted=True):
            quick = text_records._parse_block(block, columns, wanted, 0)
            if quick is not None:
                same(
                    quick.to_pylist(),
                    text_records._parse_records(block, columns, wanted, 0).to_pylist(),
                    "a block of records",
                )

    return read


def raw_csv(_: Path) -> list[bytes]:
    """Food.com interactions, plain and quoted over lines."""
    head = b"user_id,recipe_id,date,rating,review\n"
    rows = b'1,2,2015-01-01,5,good\r\n1,3,2015-01-02,0,"a ""b""\n c"\n2,2,soon,5,\n'
    return [head + rows, head + rows.replace(b"\r", b""), gzip.compress(head + rows)]


def raw_json(_: Path) -> list[bytes]:
    """Amazon reviews as JSON lines."""
    one = {"overall": 5.0, "reviewerID": "A1", "asin": "B1", "unixReviewTime": 1400000000, "reviewText": "x"}
    lines = "".join(json.dumps({**one, "asin": f"B{i}"}) + "\n" for i in range(4))
    return [lines.encode(), gzip.compress(lines.encode())]


DATA = (
    Target("own_csv", own("behaviour.csv"), own_csv),
    Target("own_parquet", own("behaviour.parquet"), own_parquet),
    Target("domain_toml", domain_file, domains),
    Target("published_contexts", published("test_iterations/test_iteration_1.jsonl"), contexts),
    Target("published_wide", published("split_data/train_dataset.csv"), wide),
    Target("hub_contexts", hub, contexts),
    Target("hub_pairs", pair_file, pair_texts),
    Target("hub_personas", personas, persona_lines),
    Target("prepared_windows", prepared, window_files),
    Target("inspected", looked_at, own_parquet),
    Target("raw_csv", raw(READERS["food_com"], "food_com"), raw_csv),
    Target("raw_json", raw(READERS["amazon_2018"], "amazon_books"), raw_json),
    Target("raw_csv_two_ways", both_ways, raw_csv),
)
