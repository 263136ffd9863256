"""Times of ratings: every form with one meaning is read; what has two, or none, is refused with its reason."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeper.behaviour.own.bad_values import BadValue
from deeper.behaviour.own.moments.dates import day_comes_first
from deeper.behaviour.own.ratings_file import OwnRatings, read_ratings
from deeper.behaviour.own.values import parse_time
from deeper.errors import UserError

DAY = datetime(2023, 1, 15, tzinfo=UTC)
MINUTE = datetime(2023, 1, 15, 15, 4, tzinfo=UTC)
SECOND = datetime(2023, 1, 15, 15, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2023-01-15", "2023/01/15", "2023/1/15", "2023.01.15", "2023-1-15", "2023年1月15日", "2023. 1. 15.",
        "15/01/2023", "15.01.2023", "15.1.2023", "15-01-2023", "01/15/2023", "1/15/2023", "01 15, 2023",
        "January 15, 2023", "Jan 15, 2023", "Jan. 15 2023", "JAN 15, 2023", "January 15th, 2023", "15 January 2023",
        "15th of January 2023", "15 Jan 2023", "15-Jan-2023", "15. January 2023", "2023-Jan-15", "2023 January 15",
        "Sun, 15 Jan 2023", "Sunday, January 15, 2023", " 2023-01-15 ", "2023-01-15 UTC",
    ],
)  # fmt: skip
def test_days(text: str) -> None:
    assert parse_time(text) == DAY


@pytest.mark.parametrize(
    "text",
    [
        "2023-01-15T15:04:05Z", "2023-01-15 15:04:05", "2023-01-15 15:04:05 UTC", "2023-01-15 15:04:05 +0000 UTC",
        "2023-01-15T17:04:05+02:00", "2023-01-15 17:04:05 +0200", "2023-01-15 17:04:05+02", "2023/01/15 15:04:05",
        "2023/1/15 15:04:05 GMT", "15/01/2023 15:04:05", "1/15/2023 3:04:05 PM", "1/15/2023, 3:04:05 p.m.",
        "15.01.2023, 15:04:05", "Sun, 15 Jan 2023 15:04:05 GMT", "Sun, 15 Jan 2023 10:04:05 -0500",
        "15 Jan 2023 15:04:05 +0000", "Sun, 15 Jan 2023 16:04:05 +0100 (CET)", "Sun Jan 15 15:04:05 2023",
        "Sun Jan 15 15:04:05 UTC 2023", "Sun Jan 15 15:04:05 +0000 2023", "Sun Jan 15 2023 16:04:05 GMT+0100 (CET)",
        "Jan 15, 2023 at 3:04:05 PM", "January 15, 2023 15:04:05", "20230115T150405", "20230115150405",
        "1673795045", "1673795045.0", "1673795045000", "1673795045000000", "1673795045000000000", "1.673795045e9",
    ],
)  # fmt: skip
def test_days_with_a_clock(text: str) -> None:
    assert parse_time(text) == SECOND


def test_parts_of_a_second_and_hours_of_twelve() -> None:
    assert parse_time("2023/01/15 15:04:05.25") == SECOND.replace(microsecond=250_000)
    assert parse_time("2023-01-15T15:04:05.123456789Z") == SECOND.replace(microsecond=123_456)
    assert parse_time(1673795045_123456) == SECOND.replace(microsecond=123_456)
    assert parse_time("1/15/2023 3:04 pm") == MINUTE
    assert parse_time("1/15/2023 12:00 AM") == DAY
    assert parse_time("1/15/2023 12:30 PM") == DAY.replace(hour=12, minute=30)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("2015", "is only a year"),
        (2015, "is only a year"),
        (2015.0, "is only a year"),
        ("1850", "is only a year"),
        ("45123", "is a spreadsheet's day number"),
        ("45123.75", "is a spreadsheet's day number"),
        (45123, "is a spreadsheet's day number"),
        ("20230101", "can be a day or seconds"),
        (20230101, "can be a day or seconds"),
        ("202301011530", "can be a day or milliseconds"),
        ("202301", "can be a month or seconds"),
        ("1.67E+12", "is a rounded number"),
        ("1,67E+12", "is a rounded number"),
        ("99999999999999999999", "is no Unix time"),
        ("2023-05", "names no day"),
        ("05/2023", "names no day"),
        ("May 2023", "names no day"),
        ("1/15/23", "has a year of two digits"),
        ("15-Jan-23", "has a year of two digits"),
        ("03/04/2023", "can be two dates"),
        ("3.4.2023 10:00", "can be two dates"),
        ("2023-01-15 15:04:05 EST", "is neither ISO 8601 nor Unix seconds"),
        ("2023-01-15 15:04:05 (CET)", "is neither ISO 8601 nor Unix seconds"),
        ("2023/02/30", "is neither ISO 8601 nor Unix seconds"),
        ("1/15/2023 13:00 PM", "is neither ISO 8601 nor Unix seconds"),
        ("20230230150405", "is outside the calendar"),
        ("soon", "is neither ISO 8601 nor Unix seconds"),
    ],
)
def test_what_is_no_time_or_two_is_refused_with_its_reason(value: object, reason: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_time(value)
    assert caught.value.reason == reason
    assert str(caught.value).startswith("is ") and str(value) in str(caught.value)


@given(st.text(max_size=30) | st.from_regex(r"\w{1,9}[-/. ,:]{1,2}\w{1,9}[-/. ,:]{1,2}\w{1,5}", fullmatch=True))
def test_any_text_is_a_time_or_a_bad_value(text: str) -> None:
    try:
        assert parse_time(text).tzinfo == UTC
    except BadValue as error:
        assert error.reason


def test_a_day_above_12_shows_the_order_of_the_column() -> None:
    assert parse_time("03/04/2023", True) == datetime(2023, 4, 3, tzinfo=UTC)
    assert parse_time("03/04/2023", False) == datetime(2023, 3, 4, tzinfo=UTC)
    assert parse_time("05/05/2023") == datetime(2023, 5, 5, tzinfo=UTC), "both orders are the same day"
    assert day_comes_first(["03/04/2023", "31/04/2023 10:00", None, "soon"]) is True
    assert day_comes_first(["03/04/2023", "Mon 04/31/2023"]) is False
    assert day_comes_first(["03/04/2023"]) is None
    assert day_comes_first(["13/04/2023", "04/13/2023"]) is None, "the column has both"


def read(folder: Path, times: list[str], **how: object) -> OwnRatings:
    rows = [f'1,Film {i},{(1, 5)[i % 2]},"{time}"' for i, time in enumerate(times)]
    (folder / "a.csv").write_text("\n".join(["user,title,rating,date", *rows, ""]), "utf-8")
    return read_ratings(folder / "a.csv", "film", **how)  # pyright: ignore[reportArgumentType]


def titles(own: OwnRatings) -> list[str]:
    return [item["title"] for items in own.windows["items"].to_pylist() for item in items]


@pytest.mark.parametrize("form", ["{0:02}/{1:02}/2023", "{1}/{0}/2023", "{1}.{0}.2023 10:00"])
def test_a_column_of_days_and_months_is_read_by_its_own_evidence(tmp_path: Path, form: str) -> None:
    days = [(2 + i % 3, 1 + i) for i in range(20)]  # the months 2 to 4, the days 1 to 20
    own = read(tmp_path, [form.format(month, day) for month, day in days])
    assert titles(own) == [f"Film {i}" for _, i in sorted((date, i) for i, date in enumerate(days))]
    assert own.summary.span and own.summary.span[0].date().isoformat() == "2023-02-01"


def test_a_column_that_does_not_show_its_order_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, [f"{1 + i % 12:02}/{1 + i // 12:02}/2023" for i in range(20)])
    assert "the time can be two dates" in caught.value.what
    assert "line 2" not in caught.value.where, "01/01/2023 is one date"
    assert "line 3: the time is '02/01/2023', which can be 2 January or 1 February" in caught.value.where
    assert "write dates as 2023-05-31" in caught.value.do and "oldest first" in caught.value.do


@pytest.mark.parametrize("is_mixed", [False, True])
def test_years_are_never_read_as_seconds(tmp_path: Path, is_mixed: bool) -> None:
    times = [f"2015-06-{i + 1:02}" if is_mixed and i % 3 == 0 else str(1990 + i) for i in range(24)]
    with pytest.raises(UserError) as caught:
        read(tmp_path, times)
    assert "the time is only a year" in caught.value.what


def test_slashes_are_read(tmp_path: Path) -> None:
    own = read(tmp_path, [f"2023/01/{i + 1:02}" for i in reversed(range(20))])
    assert titles(own) == [f"Film {i}" for i in reversed(range(20))]


def test_without_times_it_is_said_that_the_first_row_counts_as_the_oldest(tmp_path: Path) -> None:
    own = read(tmp_path, [str(2020 - i) for i in range(20)], columns=["time="])
    assert own.notes == ["the order of the rows is used, oldest first"]
