"""Synthetic raw files are what they claim to be, as read by Python's own csv and json."""

import csv
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_files import DOMAINS, domain_of, files
from numpy.typing import NDArray

from deeper.domains import BUILTIN
from deeper.prepare.raw.readers import READERS
from deeper.prepare.sources import SOURCES
from deeper.prepare.synth.file_formats import FORMATS
from deeper.prepare.synth.made_titles import QUIRKS, draw_quirks
from deeper.prepare.synth.rating_events import Events, chunks, count_items
from deeper.prepare.synth.raw_files import SHAPES, write_raw

TITLE_QUIRKS = {
    "amazon": {"entity", "tag", "hidden", "tail", "blanks", "accent", "quoted", "twice", "empty", "script", "absent"},
    "movielens": {"blanks", "accent", "quoted"},
    "food_com": {"blanks", "empty"},
    "google_local": {"hidden", "accent", "quoted", "twice", "empty"},
}
"""Those that the real data of each kind has."""


def path_of(folder: Path, raw_format: str, which: str) -> Path:
    return folder / getattr(FORMATS[raw_format], f"{which}_file").format(SOURCES[domain_of(raw_format)].category)


def records(path: Path, columns: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Rows of a raw file: JSON lines, or CSV with or without a header."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        if ".json" in path.name:
            return [json.loads(line) for line in file]
        return list(csv.DictReader(file, columns or None))


@pytest.mark.parametrize("raw_format", FORMATS)
def test_a_seed_gives_the_same_bytes_and_another_seed_others(raw_format: str, tmp_path: Path) -> None:
    made = {}
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        write_raw(domain_of(raw_format), 600, tmp_path / name, raw_format=raw_format, seed=seed, bad_lines=9)
        made[name] = files(tmp_path / name)
    assert len(made["one"]) == 5
    assert made["one"] == made["same"]
    assert made["one"].keys() == made["other"].keys()
    assert not [name for name in made["one"] if made["one"][name] == made["other"][name]]


def test_ratings_without_reviews_in_their_order_of_columns(tmp_path: Path) -> None:
    first = {}
    for raw_format in ("amazon_csv", "amazon_csv_2014", "amazon_2023_csv"):
        write_raw("amazon_books", 300, tmp_path / raw_format, raw_format=raw_format)
        first[raw_format] = path_of(tmp_path / raw_format, raw_format, "ratings").read_text("utf-8").splitlines()
    assert first["amazon_2023_csv"].pop(0) == "user_id,parent_asin,rating,timestamp"
    starts = {name: {tuple(cell[0] for cell in row.split(",")[:2]) for row in rows} for name, rows in first.items()}
    assert starts == {"amazon_csv": {("B", "A")}, "amazon_csv_2014": {("A", "B")}, "amazon_2023_csv": {("A", "B")}}
    digits = {name: {len(row.split(",")[3]) for row in rows} for name, rows in first.items()}
    assert digits["amazon_2023_csv"] <= {12, 13}
    assert digits["amazon_csv"] | digits["amazon_csv_2014"] <= {9, 10}


@pytest.fixture(scope="module", params=DOMAINS)
def events(request: pytest.FixtureRequest) -> tuple[str, Events]:
    """A kind of data, and 150,000 ratings of it."""
    kind: str = request.param
    parts = list(chunks(SHAPES[kind], BUILTIN[DOMAINS[kind]], 150_000, 1))
    names = ("users", "items", "ratings", "times")
    return kind, Events(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def test_few_items_have_many_of_the_ratings(events: tuple[str, Events]) -> None:
    kind, made = events
    counts = np.sort(np.bincount(made.items, minlength=count_items(SHAPES[kind], 150_000)))[::-1]
    assert counts[: len(counts) // 100].sum() > 0.15 * counts.sum()
    assert np.median(counts) < 0.5 * counts.mean()


def test_few_users_have_many_of_the_ratings(events: tuple[str, Events]) -> None:
    counts = np.sort(np.bincount(events[1].users))[::-1]
    assert counts[: len(counts) // 100].sum() > 0.03 * counts.sum()
    assert np.median(counts) < 0.85 * counts.mean()


def changes(users: NDArray[np.int64], key: NDArray[Any], ratings: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each user of 45 ratings or more: mean of the last third less that of the first, in the order of the key."""
    order = np.lexsort((key, users))
    histories = np.split(ratings[order], np.flatnonzero(np.diff(users[order])) + 1)
    thirds = [(history, len(history) // 3) for history in histories if len(history) >= 45]
    return np.array([history[-third:].mean() - history[:third].mean() for history, third in thirds])


def test_tastes_drift(events: tuple[str, Events]) -> None:
    kind, made = events
    rated = BUILTIN[DOMAINS[kind]].is_rated(made.ratings)
    users, ratings = made.users[rated], made.ratings[rated]
    in_time = changes(users, made.times[rated], ratings)
    mixed = changes(users, np.random.default_rng(0).random(len(users)), ratings)
    assert len(in_time) > 150
    # In no order, the thirds of a history differ by chance alone.
    assert in_time.var() > 1.5 * mixed.var()


def quirk_of(kind: str, titles: list[str]) -> str:
    """The quirk of an item, from the titles of its rows in the meta file."""
    if not titles:
        return "absent"
    title = titles[0]
    marks = {
        "empty": not title.strip(),
        "script": "getTime" in title,
        "entity": "&amp;" in title,
        "tag": "<b>" in title,
        "hidden": "\u200b" in title,
        "tail": title.endswith('" />'),
        "blanks": title.startswith(" ") and title.endswith("\t"),
        "accent": "e\u0301" in title,
        "quoted": (", The" if kind == "movielens" else "{0}") in title,
        "twice": len(titles) == 2,
    }
    found = [name for name, is_there in marks.items() if is_there]
    assert len(found) <= 1
    return found[0] if found else "plain"


@pytest.mark.parametrize(
    ("raw_format", "ratings", "rare"),
    [
        ("amazon_2018", 60_000, set()),
        ("movielens", 20_000, set()),
        ("food_com", 20_000, {"empty"}),
        ("google_local", 40_000, {"hidden"}),
    ],
)
def test_titles_have_the_quirks_that_the_truth_counts(
    raw_format: str, ratings: int, rare: set[str], tmp_path: Path
) -> None:
    kind = FORMATS[raw_format].family
    truth = write_raw(DOMAINS[kind], ratings, tmp_path / "raw", raw_format=raw_format).truth
    reader = READERS[raw_format]
    titles: dict[str, list[str]] = {}
    for row in records(path_of(tmp_path / "raw", raw_format, "meta")):
        title = next((row[name] for name in reader.meta.names["title"] if row[name] is not None), "")
        titles.setdefault(row[reader.meta.names["item"][0]], []).append(title)
    item = reader.ratings.names["item"][0]
    rated = {row[item] for row in records(path_of(tmp_path / "raw", raw_format, "ratings"))}
    found = Counter(quirk_of(kind, titles.get(item, [])) for item in rated)
    assert found == truth["quirks"]
    assert found.keys() >= {"plain", *TITLE_QUIRKS[kind]} - rare
    assert truth["items"] == len(rated)
    assert truth["meta"]["items"] == len(titles)
    assert truth["meta"]["items_repeated"] == sum(len(rows) - 1 for rows in titles.values())


@pytest.mark.parametrize("kind", TITLE_QUIRKS)
def test_rare_quirks_of_titles_come_in_large_files(kind: str) -> None:
    counts = np.bincount(draw_quirks(kind, 1_000_000, 1), minlength=len(QUIRKS))
    assert {QUIRKS[number] for number in np.flatnonzero(counts)} == {"plain", *TITLE_QUIRKS[kind]}
    assert counts[0] > 500_000


ROW_QUIRKS = {
    "amazon_2018": {
        "other_order": lambda row: next(iter(row)) == "reviewerID",
        "style": lambda row: "style" in row,
        "vote": lambda row: isinstance(row.get("vote"), str),
        "image": lambda row: "image" in row,
    },
    "amazon_2023_early": {"sortTimestamp": lambda row: "sortTimestamp" in row and "timestamp" not in row},
    "food_com": {"many_lines": lambda row: "\n" in row["review"]},
    "google_local": {"no_text": lambda row: row["text"] is None, "answered": lambda row: bool(row["resp"])},
}
"""How each quirk of a row is recognised."""


@pytest.mark.parametrize("raw_format", ROW_QUIRKS)
def test_rows_have_the_quirks_that_the_truth_counts(raw_format: str, tmp_path: Path) -> None:
    truth = write_raw(domain_of(raw_format), 20_000, tmp_path / "raw", raw_format=raw_format).truth
    rows = records(path_of(tmp_path / "raw", raw_format, "ratings"))
    found = {name: sum(map(is_so, rows)) for name, is_so in ROW_QUIRKS[raw_format].items()}
    assert found == truth["row_quirks"]
    assert min(found.values()) > 0.01 * len(rows)
    if raw_format == "amazon_2018":
        assert 0.065 < found["other_order"] / len(rows) < 0.085


def test_every_quirk_of_rows_is_checked() -> None:
    assert {name: set(raw.quirk_marks) for name, raw in FORMATS.items() if raw.quirk_marks} == {
        name: set(marks) for name, marks in ROW_QUIRKS.items()
    }


@pytest.mark.parametrize("raw_format", FORMATS)
def test_repeats_and_missing_ratings_are_as_many_as_the_truth_counts(raw_format: str, tmp_path: Path) -> None:
    truth = write_raw(domain_of(raw_format), 20_000, tmp_path / "raw", raw_format=raw_format).truth
    fields = READERS[raw_format if raw_format in READERS else raw_format.rpartition("_")[0]].ratings
    rows = records(path_of(tmp_path / "raw", raw_format, "ratings"), fields.columns)
    names = [next(name for name in choices if name in rows[0]) for choices in fields.names.values()]
    values = [tuple(row[name] for name in names) for row in rows]
    pairs = [row[:2] for row in values]
    assert len(rows) == truth["ratings"] == 20_000
    assert len(pairs) - len(set(pairs)) == truth["repeats"]
    assert len(values) - len(set(values)) == truth["exact_repeats"]
    has_repeats = FORMATS[raw_format].family in ("amazon", "google_local") and raw_format != "amazon_2023_csv"
    assert (truth["repeats"] > truth["exact_repeats"] > 0) == has_repeats
    assert has_repeats or truth["repeats"] == 0
    unrated = sum(float(row[2]) == 0 for row in values)
    assert unrated == truth["unrated_rows"]
    assert (0.05 < unrated / len(rows) < 0.15) if raw_format == "food_com" else unrated == 0
    if has_repeats:
        # The real files stand by item, or by user and time: a repeat follows its first row closely or from afar.
        behind = sum(one == two for one, two in zip(pairs, pairs[1:], strict=False))
        assert behind < 0.8 * truth["repeats"]
    if FORMATS[raw_format].family == "movielens":
        assert [(int(user), int(item)) for user, item in pairs] == sorted(
            (int(user), int(item)) for user, item in pairs
        )
