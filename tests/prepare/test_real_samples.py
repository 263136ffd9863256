"""The readers on real samples of each raw format; nothing of them stands here but counts."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deeper.behaviour.windows import strings
from deeper.domains import BUILTIN
from deeper.prepare.database import database
from deeper.prepare.raw.recognise import find_reader
from deeper.prepare.raw_to_parquet import StagedFile, Staging, stage_ratings
from deeper.prepare.sources import SOURCES

RAW = Path(__file__).parents[3] / "shared" / "data" / "raw"

pytestmark = pytest.mark.skipif(not RAW.is_dir(), reason="no raw samples at ../shared/data/raw")

Run = Callable[..., dict[str, Any]]


def read(path: Path, domain: str, work: Path) -> tuple[StagedFile, pa.Table]:
    """A sample's counts and its good ratings."""
    reader = find_reader(str(path), SOURCES[domain].formats, domain)
    with database(work / "spill", 1.0) as con:
        staged = stage_ratings(Staging(con, work, lambda rows: None), str(path), reader, BUILTIN[domain], 2)
    found = [pq.ParquetFile(file).read() for file in staged.folder.glob("bucket=[0-9]/*.parquet")]
    return staged, pa.concat_tables(found).sort_by("line")


def test_movielens_latest_small_whole(tmp_path: Path, run_prepare: Run) -> None:
    report = run_prepare("movielens_20m", RAW / "ml-latest-small", tmp_path / "out")
    assert (report["lines"], report["rejected"]) == (100_836, 0)
    assert report["ratings"]["users"] == 610
    assert report["ratings"]["users_long"] == 307
    assert report["ratings"]["repeats"] == report["ratings"]["untitled"] == 0
    assert report["titles"]["items"] == 9_742
    behaviour = pq.read_table(tmp_path / "out" / "behaviour.parquet")
    titles = dict(zip(strings(behaviour, "item"), strings(behaviour, "title"), strict=True))
    with (RAW / "ml-latest-small" / "movies.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["movieId"]: row for row in csv.DictReader(file)}
    assert all(title == " ".join(rows[item]["title"].split()) for item, title in titles.items())
    genres = dict(zip(strings(behaviour, "item"), behaviour["categories"].to_pylist(), strict=True))
    assert all(rows[item]["genres"] == ("|".join(found) or "(no genres listed)") for item, found in genres.items())
    assert {category for found in genres.values() for category in found} >= {"Drama", "Comedy", "Western"}
    assert report["categories"]["dropped"] == []
    assert len(set(titles.values())) < len(titles)


def test_kaggles_copy_has_written_times(tmp_path: Path) -> None:
    staged, table = read(RAW / "ml-20m" / "kaggle_rating.csv", "movielens_20m", tmp_path)
    assert (staged.lines, staged.rejected) == (7, 0)
    assert str(table["time"][0]).startswith("2005-04-02 23:53:47")


@pytest.mark.parametrize(
    ("name", "rows", "pairs", "exact"), [("Gift_Cards", 2972, 7, 3), ("All_Beauty", 5269, 1177, 1103)]
)
def test_amazon_2018(tmp_path: Path, name: str, rows: int, pairs: int, exact: int) -> None:
    path = RAW / "amazon_v2" / f"{name}_5.json.gz"
    staged, table = read(path, "amazon_books", tmp_path)
    assert (staged.lines, staged.rejected) == (rows, 0)
    assert rows - table.group_by(["user", "item"]).aggregate([]).num_rows == pairs
    assert rows - table.group_by(["user", "item", "rating", "time"]).aggregate([]).num_rows == exact
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    assert strings(table, "user") == [line["reviewerID"] for line in lines]
    assert strings(table, "item") == [line["asin"] for line in lines]
    assert table["rating"].to_pylist() == [line["overall"] for line in lines]
    seconds = table["time"].cast(pa.timestamp("s")).cast(pa.int64()).to_pylist()
    assert seconds == [line["unixReviewTime"] for line in lines]


def test_amazon_2018_to_windows_with_its_titles(tmp_path: Path, run_prepare: Run) -> None:
    files = {"ratings": (str(RAW / "amazon_v2" / "Gift_Cards_5.json.gz"),),
             "meta": (str(RAW / "amazon_v2" / "meta_Gift_Cards.json.gz"),)}  # fmt: skip
    report = run_prepare("amazon_books", Path(), tmp_path / "out", windows=2, **files)
    assert report["titles"]["items"] == 1_547
    assert report["titles"]["titles_cleaned"] >= 60
    assert report["tables"]["windows"] == 2 * report["ratings"]["users_long"] > 0
    behaviour = pq.read_table(tmp_path / "out" / "behaviour.parquet")
    assert not any("&amp;" in title or "<" in title for title in strings(behaviour, "title"))
    found = {category for categories in behaviour["categories"].to_pylist() for category in categories}
    assert report["categories"]["dropped"] == ["Gift Cards"]
    assert found and not any("<" in category or category.endswith(".") for category in found)


def test_amazon_2023_lines_and_csv(tmp_path: Path) -> None:
    staged, table = read(RAW / "amazon_2023" / "All_Beauty.sample.jsonl", "amazon_books", tmp_path)
    assert (staged.lines, staged.rejected) == (1, 0)
    assert str(table["time"][0]).startswith("2020-05-05 14:08:48.923")
    staged, table = read(RAW / "amazon_2023" / "5core_rating_only.sample.csv", "amazon_books", tmp_path)
    assert (staged.lines, staged.rejected) == (5, 0)
    assert table["rating"].to_pylist() == [3.0, 4.0, 3.0, 3.0, 5.0]


def test_food_com_of_many_lines_and_spreadsheet_dates(tmp_path: Path) -> None:
    path = RAW / "foodcom" / "RAW_interactions.sample.csv"
    staged, table = read(path, "food_com", tmp_path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert (staged.lines, staged.rejected) == (len(rows), 0)
    assert strings(table, "user") == [row["user_id"] for row in rows]
    assert table["rating"].to_pylist() == [float(row["rating"]) for row in rows]
    assert 0.0 in table["rating"].to_pylist()
    text = path.read_bytes().split(b"\n")
    first = {str(line): text[line - 1].decode() for line in table["line"].to_pylist()}
    assert all(line.startswith(f"{row['user_id']},") for line, row in zip(first.values(), rows, strict=True))


def test_google_local_ids_of_21_digits(tmp_path: Path) -> None:
    staged, table = read(RAW / "google_local_2021" / "review.sample.json", "google_local", tmp_path)
    assert (staged.lines, staged.rejected) == (4, 0)
    assert all(len(user) == 21 for user in strings(table, "user"))


def test_each_sample_has_a_reader_of_its_own() -> None:
    raw = {
        "ml-20m/kaggle_rating.csv": "movielens",
        "amazon_v2/Gift_Cards_5.json.gz": "amazon_2018",
        "amazon_2023/All_Beauty.sample.jsonl": "amazon_2023",
        "amazon_2023/5core_rating_only.sample.csv": "amazon_2023_csv",
        "foodcom/RAW_interactions.sample.csv": "food_com",
        "google_local_2021/review.sample.json": "google_local",
    }
    formats = tuple(dict.fromkeys(name for source in SOURCES.values() for name in source.formats))
    found = {name: find_reader(str(RAW / name), formats, "any").name for name in raw}
    assert found == raw
