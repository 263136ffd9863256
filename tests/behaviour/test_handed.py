"""What Python hands in is read as files are: NumPy and pandas values, data frames, and Arrow tables."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from deeper.behaviour.own.bad_values import BadValue
from deeper.behaviour.own.handed import is_table, plain, rows_of, table_digest
from deeper.behaviour.own.ratings_file import read_ratings
from deeper.behaviour.own.values import parse_item, parse_number, parse_text, parse_time
from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.evaluate.plan import make_plan
from deeper.commands.evaluate.settings import Settings
from deeper.errors import UserError

NOON = datetime(2023, 1, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize("value", [7, 7.0, np.int64(7), np.uint8(7), np.float32(7), np.float64(7), Decimal("7.00"),
                                   np.str_("7"), pa.scalar(7)])  # fmt: skip
def test_ids_that_are_whole_numbers(value: object) -> None:
    assert parse_text(value) == "7" and type(parse_text(value)) is str
    assert parse_item(value, "title") == "7"


@pytest.mark.parametrize("value", [1.5, np.float64(1.5), Decimal("1.5"), 1e300, float("inf"), np.bool_(True), b"7"])
def test_what_is_no_id(value: object) -> None:
    with pytest.raises(BadValue, match="is not text"):
        parse_text(value)


@pytest.mark.parametrize("value", [None, "", float("nan"), np.float32("nan"), np.datetime64("NaT"), Decimal("nan")])
def test_a_missing_id_is_none(value: object) -> None:
    assert parse_item(value, "title") == "title"
    with pytest.raises(BadValue, match="is empty"):
        parse_text(value)


@pytest.mark.parametrize(
    "value",
    [
        np.datetime64("2023-01-15T12"),
        np.datetime64("2023-01-15T12:00:00.000000000"),
        np.int64(1673784000),
        np.float64(1673784000),
        np.int64(1673784000_000_000_000),
        Decimal(1673784000),
        pa.scalar(NOON),
    ],
)
def test_times(value: object) -> None:
    found = parse_time(value)
    assert found == NOON and type(found) is datetime


@pytest.mark.parametrize("value", [np.datetime64("NaT"), np.datetime64("20000-01-01"), np.bool_(True)])
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(BadValue):
        parse_time(value)


def test_numbers() -> None:
    assert [parse_number(value) for value in (np.float32(4.5), np.int8(4), Decimal("4.5"), np.bool_(True))] == [
        4.5, 4, 4.5, 1
    ]  # fmt: skip
    assert plain(Decimal("1e1000")) == float("inf"), "its digits are not written out"


def columns(count: int = 20) -> dict[str, list[Any]]:
    return {
        "user": [1.0] * count,
        "title": [f"Film {i}" for i in range(count)],
        "rating": [(1, 5)[i % 2] for i in range(count)],
        "time": [NOON.replace(day=1 + i) for i in range(count)],
    }


class OfArrow:
    """What data frames of other libraries offer."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


class OfInterchange:
    """What older data frames offer."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __dataframe__(self, **how: Any) -> object:
        return self._table.__dataframe__(**how)


def of_pandas(table: pa.Table) -> Any:
    return pytest.importorskip("pandas").DataFrame(table.to_pydict())


TABLES: dict[str, Callable[[pa.Table], Any]] = {
    "Arrow": lambda table: table,
    "batch": lambda table: table.to_batches()[0],
    "stream": OfArrow,
    "interchange": OfInterchange,
    "pandas": of_pandas,
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_read_as_a_file_is(tmp_path: Path, kind: str) -> None:
    given = TABLES[kind](pa.table(columns()))
    assert is_table(given)
    own = read_ratings(given, "film")
    text = [
        f"1,{title},{rating},{time.isoformat()}" for _, title, rating, time in zip(*columns().values(), strict=True)
    ]
    (tmp_path / "a.csv").write_text("\n".join(["user,title,rating,time", *text]), "utf-8")
    expected = read_ratings(str(tmp_path / "a.csv"), "film")
    assert (own.windows, own.domain, own.notes) == (expected.windows, expected.domain, expected.notes)
    assert own.summary.format == "a table in memory"


def test_a_bad_row_of_a_table_is_named() -> None:
    found = columns(30)
    found["title"][4] = None
    own = read_ratings(pa.table(found), "film")
    assert own.summary.skipped["the title is empty"].examples == ["row 5: the title is empty"]


def test_pandas_values() -> None:
    pd = pytest.importorskip("pandas")
    assert parse_time(pd.Timestamp("2023-01-15 13:00:00.000000001", tz="Europe/Paris")) == NOON
    assert type(parse_time(pd.Timestamp("2023-01-15"))) is datetime
    assert parse_item(pd.NA, "title") == parse_item(pd.NaT, "title") == "title"
    for missing in (pd.NaT, pd.NA):
        with pytest.raises(BadValue, match="is None, which is not a time"):
            parse_time(missing)
        with pytest.raises(BadValue, match="is None, which is not a number"):
            parse_number(missing)


def test_pandas_columns_with_gaps() -> None:
    pd = pytest.importorskip("pandas")
    found = columns(30)
    frame = pd.DataFrame({**found, "item": [None if i % 3 else i for i in range(30)]})
    assert str(frame["item"].dtype) == "float64"
    frame.loc[4, "time"] = pd.NaT
    own = read_ratings(frame, "film")
    ids = [item["item"] for items in own.windows["items"].to_pylist() for item in items]
    assert ids[:4] == ["0", "Film 1", "Film 2", "3"]
    assert own.notes[0] == "rows skipped: 1 of 30 (the time is not a time: 1)"


def test_a_frame_that_arrow_cannot_hold_is_refused() -> None:
    pd = pytest.importorskip("pandas")
    with pytest.raises(UserError, match="the table cannot be read"):
        read_ratings(pd.DataFrame({"user": ["a", 1], "title": ["b", "c"], "rating": [1, 2]}))
    with pytest.raises(UserError, match="the table cannot be read"):
        read_ratings(3)


def test_rows_of_a_table_are_mappings() -> None:
    assert list(rows_of([{"a": 1}])) == [{"a": 1}]
    times = pa.table({"time": pa.array([1673784000_000_000_001], pa.timestamp("ns", "UTC"))})
    assert list(rows_of(times)) == [{"time": NOON}]


def test_a_run_takes_a_table_and_its_folder_knows_it_again(tmp_path: Path) -> None:
    settings = Settings(
        policy_engine="scripted", predictor_engine="scripted", item="film", split="all", rounds=0, methods=("refine",)
    )
    table = pa.table({**columns(), "user": ["a"] * 20})
    plan = make_plan(settings, table)
    assert plan.settings.ratings == f"table {table_digest(table)}"
    results = evaluate(settings, tmp_path / "run", Console(quiet=True), plan)
    assert results.users == {"film": 1}
    with pytest.raises(UserError, match="ratings"):
        evaluate(settings, tmp_path / "run", Console(quiet=True), make_plan(settings, table.slice(0, 20).set_column(
            0, "user", pa.array(["b"] * 20))))  # fmt: skip
