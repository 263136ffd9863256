"""Exact repeats are merged by one rule, and told: in own files, in `deeper prepare` and in the tracker."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from deeper.behaviour.own.folder import read_own
from deeper.behaviour.own.ratings_file import read_ratings
from deeper.behaviour.repeats import is_repeat
from deeper.behaviour.schema import BEHAVIOUR
from deeper.tracker.events import add_events

START = datetime(2023, 1, 1, tzinfo=UTC)
DOMAIN = 'id = "films"\nname = "Films"\nitem_noun = "film"\nscale = [1, 5, 1]\n'


def rows(count: int = 20, times: int = 2) -> list[str]:
    return [f"1,Film {i},{(1, 5)[i % 2]},2023-01-{i + 1:02}" for i in range(count) for _ in range(times)]


def write(folder: Path, lines: list[str], header: str = "user,title,rating,time") -> Path:
    (folder / "behaviour.csv").write_text("\n".join([header, *lines, ""]), "utf-8")
    (folder / "domain.toml").write_text(DOMAIN, "utf-8")
    return folder / "behaviour.csv"


NOTE = "exact repeats merged (the same user, item, rating and time): 20"


def test_a_file_that_holds_every_row_twice_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path, rows())
    own, folder = read_ratings(path, "film"), read_own(tmp_path)
    assert own.notes == folder.notes == [NOTE]
    look = own.summary
    assert (look.rows, look.ratings, look.repeated, sum(look.histogram.values())) == (40, 20, 20, 20)
    for windows in (own.windows, folder.windows):
        assert windows["k"].to_pylist() == [0, 1]
        titles = [item["title"] for items in windows["items"].to_pylist() for item in items]
        assert titles == [f"Film {i}" for i in range(20)]


def test_without_times_the_same_rating_of_an_item_counts_once(tmp_path: Path) -> None:
    path = write(tmp_path, [row.rpartition(",")[0] for row in rows()], "user,title,rating")
    assert NOTE in read_ratings(path).notes


@pytest.mark.parametrize("change", [",5,2023-02-01", ",1,2023-02-02", ",1,2023-02-01T00:00:00.000001Z"])
def test_another_rating_or_time_is_another_event(tmp_path: Path, change: str) -> None:
    own = read_ratings(write(tmp_path, [*rows(times=1), "1,Film 0,1,2023-02-01", "1,Film 0" + change]))
    assert (own.summary.ratings, own.summary.repeated) == (22, 0)


def test_each_user_domain_and_item_stands_alone() -> None:
    event = {
        "user": "a",
        "domain": "d",
        "item": "i",
        "title": "T",
        "categories": [],
        "rating": 1.0,
        "time": START,
        "position": 0,
    }
    others = [
        {"user": "b"},
        {"domain": "e"},
        {"item": "j"},
        {"rating": 2.0},
        {"time": START + timedelta(microseconds=1)},
        {"title": "another title of the item"},
        {"position": 7},
    ]
    events = pa.Table.from_pylist([event, *({**event, **change} for change in others)], schema=BEHAVIOUR)
    assert is_repeat(events).tolist() == [False] * 6 + [True] * 2
    assert is_repeat(events.slice(0, 0)).tolist() == []


def test_a_tracker_asks_the_same_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    event = {"item": "i", "title": "T", "categories": [], "rating": 1.0, "time": START}
    assert add_events("a", [event], [event, {**event, "rating": 2.0}], 10).repeated == 1
    monkeypatch.setattr("deeper.tracker.events.is_repeat", lambda events: is_repeat(events.select(["item"])))
    assert add_events("a", [event], [event, {**event, "rating": 2.0}], 10).repeated == 2


def test_prepare_counts_by_the_same_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb")
    from deeper.domains import BUILTIN
    from deeper.prepare.merge_buckets import MergeRule, merge_bucket
    from deeper.prepare.raw_to_parquet import StagedFile

    con = duckdb.connect()
    bucket, titles = tmp_path / "bucket=0", tmp_path / "titles.parquet"
    bucket.mkdir()
    con.execute(f"COPY (SELECT 'i' AS item, 'T' AS title) TO '{titles}'")
    con.execute(
        f"""COPY (SELECT 'u' AS user, 'i' AS item, r::FLOAT AS rating, TIMESTAMP '2023-01-01' AS time, n AS line
        FROM (VALUES (1, 4), (2, 4), (3, 4), (4, 5)) t(n, r)) TO '{bucket}/a.parquet'"""
    )

    def counts() -> dict[str, int]:
        staged = [StagedFile("raw", tmp_path, 4, 0)]
        domain, rule = BUILTIN["amazon_books"], MergeRule("first", 1, False)
        return merge_bucket(con, staged, 0, titles, domain, rule, tmp_path / "out.parquet")

    assert (counts()["repeats"], counts()["exact_repeats"]) == (3, 2)
    monkeypatch.setattr("deeper.prepare.merge_buckets.is_repeat", lambda events: is_repeat(events.select(["item"])))
    assert counts()["exact_repeats"] == 3
