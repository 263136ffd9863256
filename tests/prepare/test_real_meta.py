"""Titles and categories of real samples, against Python's own csv and json; none of them stands here."""

import ast
import csv
import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from made_files import Row, write_ratings

from deeper.behaviour.categories import NO_CATEGORY

RAW = Path(__file__).parents[3] / "shared" / "data" / "raw"

pytestmark = pytest.mark.skipif(not RAW.is_dir(), reason="no raw samples at ../shared/data/raw")

Run = Callable[..., dict[str, Any]]


class Sample(NamedTuple):
    """A meta file, domain and format of ratings that go with it, its number of rows, and where they say what.

    `categories` returns a row's raw categories, of which some may be none.
    """

    name: str
    domain: str
    raw_format: str
    rows: int
    item: str
    title: str
    categories: Callable[[Any], list[str]]


SAMPLES = [
    Sample(
        "ml-20m/kaggle_movie.csv", "movielens_20m", "movielens_kaggle", 1, "movieId", "title",
        lambda row: row["genres"].split("|"),
    ),
    Sample(
        "amazon_2023/meta_All_Beauty.sample.jsonl", "amazon_books", "amazon_2023", 1, "parent_asin", "title",
        lambda row: [row["main_category"], *row["categories"], row["store"]],
    ),
    Sample(
        "foodcom/RAW_recipes.sample.csv", "food_com", "food_com", 2, "id", "name",
        lambda row: ast.literal_eval(row["tags"]),
    ),
    Sample(
        "google_local_2021/meta.sample.json", "google_local", "google_local", 1, "gmap_id", "address",
        lambda row: row["category"],
    ),
]  # fmt: skip


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_titles_of_a_real_meta_file(sample: Sample, run_prepare: Run, tmp_path: Path) -> None:
    path = RAW / sample.name
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file)) if path.suffix == ".csv" else [json.loads(line) for line in file]
    expected = {row[sample.item]: " ".join(html.unescape(row[sample.title]).split()) for row in rows}
    assert len(rows) == len(expected) == sample.rows
    assert all(expected.values())
    items = [*expected, *(f"B{i:09d}" for i in range(20 - len(expected)))]
    ratings = [Row("A0000000000007", item, "4", day) for day, item in enumerate(items)]
    ratings_file = write_ratings(tmp_path / "raw", sample.domain, ratings, sample.raw_format)
    files: dict[str, Any] = {"ratings": (str(ratings_file),), "meta": (str(path),)}
    report = run_prepare(sample.domain, Path(), tmp_path / "out", windows=2, untitled="keep", **files)
    assert report["titles"]["items"] == sample.rows
    assert report["titles"].get("items_untitled", 0) == report["titles"].get("items_repeated", 0) == 0
    assert pq.read_table(tmp_path / "out" / "rejects.parquet").num_rows == 0
    behaviour = pq.read_table(tmp_path / "out" / "behaviour.parquet").to_pylist()
    found = {row["item"]: row["title"] for row in behaviour}
    assert {item: found.pop(item) for item in expected} == expected
    assert set(found.values()) == {"Unknown"}
    raw = {row[sample.item]: [one for one in sample.categories(row) if one not in NO_CATEGORY] for row in rows}
    # Of one item, each category is a category of all items.
    common = {one for one in raw[rows[0][sample.item]] if all(one in categories for categories in raw.values())}
    kept = {item: [one for one in categories if one not in common] for item, categories in raw.items()}
    assert {row["item"]: row["categories"] for row in behaviour if row["item"] in raw} == kept
    assert set(report["categories"]["dropped"]) == common != set()
