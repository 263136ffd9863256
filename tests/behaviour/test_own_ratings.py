"""One file of ratings of any shape: what is found in it, what is skipped, and what ends the reading."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeper.behaviour.own import table, text_rows
from deeper.behaviour.own.columns import FIELDS, find_columns, read_given
from deeper.behaviour.own.ratings_file import OwnRatings, own_domain, read_ratings
from deeper.behaviour.own.scale import INFERABLE_SCALES, infer_scale, parse_scale
from deeper.behaviour.own.values import THUMBS, BadValue, parse_rating, parse_text
from deeper.domains import Domain, Scale
from deeper.errors import UserError

START = datetime(2023, 5, 1, 8, tzinfo=UTC)
HEADER = ("userId", "name", "stars", "timestamp")


def events(users: int = 2, count: int = 20, top: int = 5) -> list[tuple[Any, ...]]:
    return [
        (f"u{user}", f"Cove No. {number}", 1 + (number + user) % top, (START + timedelta(hours=number)).isoformat())
        for user in range(users)
        for number in range(count)
    ]


def csv_text(rows: list[tuple[Any, ...]], header: tuple[str, ...] = HEADER, separator: str = ",") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def json_text(rows: list[tuple[Any, ...]]) -> str:
    return "".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in rows)


def parquet(rows: list[tuple[Any, ...]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(dict(zip(HEADER, map(list, zip(*rows, strict=True)), strict=True))), sink)
    return sink.getvalue().to_pybytes()


def write(folder: Path, name: str, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder / name


def ratings_of(own: OwnRatings) -> list[float]:
    return [item["rating"] for items in own.windows["items"].to_pylist() for item in items]


def refused(path: Path, **how: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        read_ratings(path, **how)
    return caught.value


FORMATS: dict[str, Callable[[], str | bytes]] = {
    "a.csv": lambda: csv_text(events()),
    "a.CSV.gz": lambda: csv_text(events()),
    "a.tsv": lambda: csv_text(events(), separator="\t"),
    "a.txt": lambda: csv_text(events(), separator=";"),
    "a.jsonl": lambda: json_text(events()),
    "a.json.gz": lambda: json_text(events()),
    "a.parquet": lambda: parquet(events()),
    "a.parquet.gz": lambda: parquet(events()),
}


class TestFormats:
    @pytest.mark.parametrize("name", FORMATS)
    def test_every_format_reads_the_same(self, tmp_path: Path, name: str) -> None:
        own = read_ratings(write(tmp_path, name.lower(), FORMATS[name]()), "cove")
        expected = read_ratings(write(tmp_path, "expected.csv", csv_text(events())), "cove")
        assert (own.windows, own.domain, own.notes) == (expected.windows, expected.domain, expected.notes)
        assert own.domain == Domain("cove", "Own ratings: cove", "cove", Scale(1, 5, 1), between=True)
        look = own.summary
        assert (look.rows, look.ratings, look.users, look.long_enough, look.items) == (40, 40, 2, 2, 20)
        assert look.columns == dict(zip(("user", "title", "rating", "time"), HEADER, strict=True))
        assert look.histogram == dict.fromkeys(("1", "2", "3", "4", "5"), 8)
        assert look.span == (START, START + timedelta(hours=19))
        assert not look.skipped and not look.unrated
        assert look.scale_origin == "derived from the ratings; --scale MIN:MAX:STEP sets another"

    @pytest.mark.parametrize("end", ["\r\n", "\r", "\n\n"])
    def test_line_ends(self, tmp_path: Path, end: str) -> None:
        text = "\ufeff" + csv_text(events()).replace("\n", end)
        assert read_ratings(write(tmp_path, "a.csv", text)).summary.ratings == 40

    def test_users_who_rated_too_little_are_counted(self, tmp_path: Path) -> None:
        own = read_ratings(write(tmp_path, "a.csv", csv_text([*events(), ("u9", "Cove", 3, "2023-05-01")])))
        assert (own.summary.users, own.summary.long_enough) == (3, 2)
        assert own.notes == ["users left out for fewer than 20 ratings: 1 of 3"]

    def test_without_times_the_order_of_the_file_counts(self, tmp_path: Path) -> None:
        rows = [row[:3] for row in events()]
        own = read_ratings(write(tmp_path, "a.csv", csv_text(rows, HEADER[:3])))
        first = own.windows.to_pylist()[0]["items"]
        assert [item["title"] for item in first] == [f"Cove No. {number}" for number in range(10)]
        assert {item["time"] for item in first} == {None}
        assert own.summary.span is None
        found = "no time column found among userId, name, stars"
        assert own.notes == [
            f"{found}; the order of the rows is used, oldest first (set one with --columns time=COLUMN)"
        ]
        chosen = read_ratings(write(tmp_path, "b.csv", csv_text(events())), columns=["time="])
        assert chosen.windows == own.windows
        assert chosen.notes == ["the order of the rows is used, oldest first"]


class TestSkipping:
    def test_bad_rows_are_counted_with_their_reasons_and_places(self, tmp_path: Path) -> None:
        rows = events(users=4)
        rows[3:3] = [("u0", "Cove", "good", "2023-05-01"), ("u0", "", 3, "2023-05-01")]
        rows += [("u0", "Cove", "bad", "2023-05-01"), ("u0", "Cove", 9, "2023-05-01"), ("u0", "Cove", 3, "soon")]
        text = csv_text(rows) + "u0,one cell too many,3,2023-05-01,\n" + 'u0,"bad"quote,3,2023-05-01\n'
        own = read_ratings(write(tmp_path, "a.csv", text), scale="1:5:1")
        assert own.summary.rows == 80 + 7 and own.summary.ratings == 80
        assert {kind: one.rows for kind, one in own.summary.skipped.items()} == {
            "the rating is not a number": 2,
            "the title is empty": 1,
            "the rating is off the scale": 1,
            "the time is neither ISO 8601 nor Unix seconds": 1,
            "the row has too few or too many cells": 1,
            "the row is not valid CSV": 1,
        }
        assert own.summary.skipped["the rating is not a number"].examples == [
            "line 5: the rating is 'good', which is not a number",
            "line 84: the rating is 'bad', which is not a number",
        ]
        assert own.notes[0].startswith("rows skipped: 7 of 87 (the rating is not a number: 2, ")

    def test_a_quote_that_swallows_rows_is_counted_by_lines(self, tmp_path: Path) -> None:
        rows = csv_text(events(users=4)).splitlines()
        rows[2] = 'u0,"Cove,3,2023-05-01'
        rows[5] = 'u0,Cove" No. 9,3,2023-05-01'
        own = read_ratings(write(tmp_path, "a.csv", "\n".join(rows) + "\n"))
        [one] = own.summary.skipped.values()
        assert one.rows == 4 and one.examples[0].startswith("lines 3 to 6: ")
        assert own.summary.rows == 80 and own.summary.ratings == 76

    def test_too_many_bad_rows_end_the_reading(self, tmp_path: Path) -> None:
        rows = [*events(), *[("u0", "Cove", 7.5, "2023-05-01")] * 5]
        error = refused(write(tmp_path, "a.csv", csv_text(rows)), scale="1:5:1")
        assert error.what == (
            "5 of 45 rows cannot be used, more than 10%; most because the rating is off the scale (5)"
        )
        assert error.where.endswith("a.csv, line 42: the rating is 7.5, off the scale of item (1 to 5 in steps of 1)")
        assert "--scale MIN:MAX:STEP" in error.do

    def test_no_good_row_at_all(self, tmp_path: Path) -> None:
        rows = [(*row[:3], "03/04/2023") for row in events()]
        error = refused(write(tmp_path, "a.csv", csv_text(rows)))
        assert "40 of 40 rows cannot be used" in error.what and "--columns time=" in error.do

    def test_json_that_is_odd(self, tmp_path: Path) -> None:
        odd = [
            '{"userId": {"$oid": "1"}, "name": "Cove", "stars": 3, "timestamp": 1}',
            '{"userId": "u0", "name": "Cove", "stars": NaN, "timestamp": 1}',
            '{"userId": "u0", "name": "Cove", "stars": 3, "stars": 4, "timestamp": 1}',
            '{"userId": "\\ud800", "name": "Cove", "stars": 3, "timestamp": 1}',
            '{"userId": "u0", "name": "Cove", "stars": true, "timestamp": 1}',
            '{"userId": "u0", "name": "Cove", "stars": 1e999, "timestamp": 1}',
            '{"userId": %s, "name": "Cove", "stars": 3, "timestamp": 1}' % ("9" * 5000),
            "[" * 100_000,
            "3",
        ]
        text = json_text(events(users=6)) + "\n".join(odd) + "\n"
        look = read_ratings(write(tmp_path, "a.jsonl", text)).summary
        assert (look.rows, look.ratings) == (129, 120)
        assert {kind: one.rows for kind, one in look.skipped.items()} == {
            "the user is not text": 2,
            "the rating is off the scale": 1,
            "the row is not valid JSON": 3,
            "the rating is not a number": 1,
            "the row is not a JSON object": 1,
        }
        assert look.unrated == {"blank": 1}

    def test_parquet_that_is_odd(self, tmp_path: Path) -> None:
        rows = [list(column) for column in zip(*events(users=6), strict=True)]
        raw = pa.array([b"Cove %d" % number for number in range(119)] + [b"\xff"], pa.binary())
        names = pa.StringArray.from_buffers(120, raw.buffers()[1], raw.buffers()[2])
        table = pa.table({"userId": rows[0], "name": names, "stars": rows[2], "timestamp": rows[3]})
        pq.write_table(table, tmp_path / "a.parquet")
        look = read_ratings(tmp_path / "a.parquet").summary
        assert look.ratings == 119
        assert [(kind, one.rows) for kind, one in look.skipped.items()] == [("the row cannot be read", 1)]


class TestUntrusted:
    @pytest.mark.parametrize(
        ("name", "content", "what"),
        [
            ("a.csv", b"", "the file is empty"),
            ("a.csv", b"\n \n", "the file is empty"),
            ("a.csv", csv_text(events()).encode("utf-16-le"), "the file is not in UTF-8"),
            ("a.csv", b"\x89PNG\0\0\0\0\0\0\0\0", "the file is not in UTF-8"),
            (
                "a.csv",
                csv_text([], ("user", "user", "title", "rating")).encode(),
                "two columns have the same name, 'user'",
            ),
            ("a.csv", b"user,title,rating\n", "no rating is a number"),
            ("a.jsonl", b"[" + json_text(events()).encode(), "the JSON array cannot be read"),
            ("a.jsonl", b"nothing\n", "line 1 is not valid JSON"),
            ("a.parquet", b"", "the file is empty"),
            ("a.parquet", b"PAR1 and more", "not a readable Parquet file"),
            ("a.xlsx", b"PK", "the ending '.xlsx' is not a known format"),
            ("a", b"user,title", "the ending '' is not a known format"),
            ("a.csv", b"user,title,rating\n" + b"x" * (text_rows.MAX_LINE_CHARACTERS + 1), "the line has more than"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_file_of_no_use_is_named(self, tmp_path: Path, name: str, content: bytes, what: str) -> None:
        error = refused(write(tmp_path, name, content))
        assert what in error.what
        assert name in error.where and error.do

    def test_no_file(self, tmp_path: Path) -> None:
        assert refused(tmp_path / "a.csv").what == "there is no such file"
        (tmp_path / "b.csv").mkdir()
        assert refused(tmp_path / "b.csv").what == "this is not a file"

    def test_gzip_that_is_cut_off_or_none(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.csv.gz", csv_text(events(users=400)))
        path.write_bytes(path.read_bytes()[:-200])
        assert "the file is truncated or damaged" in refused(path).what
        path.write_bytes(b"user,title,rating\n")
        assert "the file is truncated or damaged" in refused(path).what

    def test_a_small_file_that_unpacks_to_much(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(text_rows, "MAX_BYTES", 1 << 20)
        path = write(tmp_path, "a.csv.gz", csv_text(events(users=3000)))
        assert path.stat().st_size < 1 << 20
        assert "unpacks to more than" in refused(path).what
        assert "unpacks to more than" in refused(write(tmp_path, "a.parquet.gz", b"\0" * (1 << 21))).what

    def test_too_many_rows(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(table, "MAX_ROWS", 30)
        assert refused(write(tmp_path, "a.csv", csv_text(events()))).what == "the file has more than 30 rows"

    def test_titles_are_only_text(self, tmp_path: Path) -> None:
        titles = ['=HYPERLINK("http://evil")', "a\0b", "</script><script>", "x" * 2000, "\u202egnp", "{}%s$persona"]
        rows = [(user, titles[i % len(titles)], stars, time) for i, (user, _, stars, time) in enumerate(events())]
        own = read_ratings(write(tmp_path, "a.csv", csv_text(rows)))
        assert own.summary.ratings == 40
        assert "ab" in {item["title"] for items in own.windows["items"].to_pylist() for item in items}

    def test_text_of_no_end_is_skipped(self, tmp_path: Path) -> None:
        rows = [*events(), ("u0", "x" * 2001, 3, "2023-05-01"), ("u" * 3000, "Cove", 3, "2023-05-01")]
        rows.append(("u0", "y" * 1_000_001, 3, "2023-05-01"))
        skipped = read_ratings(write(tmp_path, "a.csv", csv_text(rows))).summary.skipped
        assert {kind: one.rows for kind, one in skipped.items()} == {
            "the title is longer than 2000 characters": 1,
            "the user is longer than 2000 characters": 1,
            "the row is not valid CSV": 1,
        }

    @given(st.binary(max_size=400), st.sampled_from(["a.csv", "a.jsonl", "a.parquet", "a.csv.gz", "a.parquet.gz"]))
    def test_any_bytes_are_read_or_refused(
        self, tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
    ) -> None:
        path = tmp_path_factory.mktemp("any") / name
        path.write_bytes(data)
        with pytest.raises(UserError):  # 400 bytes hold no two windows
            read_ratings(path)

    @given(
        st.lists(
            st.tuples(
                st.text(max_size=9),
                st.text(max_size=30),
                st.one_of(st.floats(), st.integers(0, 6), st.text(max_size=4), st.booleans()),
                st.one_of(st.integers(), st.floats(), st.datetimes().map(str), st.text(max_size=9)),
            ),
            max_size=8,
        ),
        st.booleans(),
    )
    def test_every_row_is_kept_or_counted(
        self, tmp_path_factory: pytest.TempPathFactory, odd: list[tuple[Any, ...]], is_json: bool
    ) -> None:
        rows = [*events(users=6), *odd]
        text = json_text(rows) if is_json else csv_text(rows)
        path = tmp_path_factory.mktemp("rows") / ("a.jsonl" if is_json else "a.csv")
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        look = read_ratings(path, scale="1:5:1").summary
        skipped = sum(one.rows for one in look.skipped.values())
        left_out = skipped + look.repeated + sum(look.unrated.values())
        assert look.ratings + left_out == look.rows >= 120 + len(odd)
        assert look.ratings >= 120
        assert sum(look.histogram.values()) == look.ratings


class TestColumns:
    @pytest.mark.parametrize(
        ("header", "noun", "expected"),
        [
            ("user,title,rating,time", "item", ("user", "title", "rating", "time", None)),
            ("userId,movieId,rating,timestamp,title", "movie", ("userId", "title", "rating", "timestamp", "movieId")),
            ("reviewerID,asin,title,overall,unixReviewTime,reviewTime", "book",
             ("reviewerID", "title", "overall", "unixReviewTime", "asin")),
            ("User ID;Movie;Your Rating;Date", "movie", ("User ID", "Movie", "Your Rating", "Date", None)),
            ("customer,item,score", "item", ("customer", "item", "score", None, None)),
            ("user,item,title,stars,date,timestamp", "item", ("user", "title", "stars", "timestamp", "item")),
            ("user_id,Cove name,Cove,vote", "cove", ("user_id", "Cove name", "vote", None, None)),
            ("user,name,movie,rating", "movie", ("user", "movie", "rating", None, None)),
            ("user,title,movie_title,rating", "movie", ("user", "movie_title", "rating", None, None)),
            ("user,title,board game,rating,My Rating", "board game", ("user", "board game", "My Rating", None, None)),
            ("user,item,title,Rating,Average Rating", "item", ("user", "title", "Rating", None, "item")),
        ],
    )  # fmt: skip
    def test_usual_names(self, header: str, noun: str, expected: tuple[str | None, ...]) -> None:
        columns = find_columns(header.replace(";", ",").split(","), {}, noun)
        assert not columns.unclear
        assert columns.of == {field: name for field, name in zip(FIELDS, (*expected, None), strict=True) if name}

    def test_what_is_not_clear_is_said_with_the_flag(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.csv", "reviewer,member,what,stars\n" + "a,b,c,3\n")
        error = refused(path)
        assert error.what == "the user can be in reviewer, member; no column seems to hold the title"
        assert "--columns user=COLUMN,title=COLUMN (found: reviewer, member, what, stars)" in error.do
        found = find_columns(["reviewer", "member", "what", "stars"], read_given(["user=member", "title=what"]))
        assert found.of == {"user": "member", "title": "what", "rating": "stars"} and not found.unclear

    @pytest.mark.parametrize(
        ("columns", "what"),
        [
            (["user"], "'user' is not FIELD=COLUMN"),
            (["user=a", "user=b"], "names a field twice"),
            (["who=name"], "there is no field who"),
            (["user=who"], "the file has no column 'who'"),
            (["user=name", "title=name"], "'name' is given for two fields"),
        ],
    )
    def test_columns_that_cannot_be_meant(self, tmp_path: Path, columns: list[str], what: str) -> None:
        error = refused(write(tmp_path, "a.csv", csv_text(events())), columns=columns)
        assert what in error.what and error.do

    def test_a_column_named_with_an_equals_sign(self) -> None:
        assert read_given(["user=a=b"]) == {"user": "a=b"}


class TestScales:
    @pytest.mark.parametrize("scale", INFERABLE_SCALES, ids=str)
    def test_a_scale_is_seen_where_both_ends_occur(self, scale: Scale) -> None:
        assert infer_scale(scale.values.tolist()) == scale
        assert infer_scale(scale.values.tolist()[:-1]) != scale

    @pytest.mark.parametrize("ratings", [[], [3], range(6), range(11), range(101), [-1, 1], [1, 5.2], [1, 2.25, 5]])
    def test_what_does_not_tell_its_scale(self, ratings: list[float]) -> None:
        assert infer_scale(ratings) is None

    @pytest.mark.parametrize("text", ["5", "1:5", "1:5:0", "5:1:1", "1:5:3", "a:b:c", "nan:5:1", "0:1000:1", "1:2:3:4"])
    def test_no_scales(self, text: str) -> None:
        with pytest.raises(UserError) as caught:
            parse_scale(text)
        assert caught.value.where == "scale" and "MIN:MAX:STEP" in caught.value.do

    def test_an_unseen_scale_is_asked_for(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.csv", csv_text([(*row[:2], row[2] * 17, row[3]) for row in events()]))
        error = refused(path)
        assert error.what == "the ratings go from 17 to 85, which does not show their scale"
        assert error.do.startswith("give it: --scale 1:5:1")

    def test_ratings_between_the_values_are_kept_and_counted(self, tmp_path: Path) -> None:
        rows = [(*row[:2], 13 * row[2], row[3]) for row in events()]
        own = read_ratings(write(tmp_path, "a.csv", csv_text(rows)), scale="0:100:5")
        assert set(ratings_of(own)) == {13, 26, 39, 52, 65}
        assert own.summary.between == 32 and own.summary.histogram["15"] == 8
        assert own.notes == ["ratings between the scale's values, kept as they are: 32"]

    @pytest.mark.parametrize(
        "words", [("0", "1"), ("up", "down"), ("True", "False"), ("👍", "👎"), ("like", "dislike"), ("1.0", "0.0")]
    )
    def test_thumbs(self, tmp_path: Path, words: tuple[str, str]) -> None:
        rows = [(*row[:2], words[row[2] % 2], row[3]) for row in events()]
        own = read_ratings(write(tmp_path, "a.csv", csv_text(rows)))
        assert own.domain.scale == Scale(0, 1, 1) and own.summary.scale_origin.startswith("derived")
        assert set(ratings_of(own)) == {0, 1}

    def test_truth_values_in_parquet_are_thumbs(self, tmp_path: Path) -> None:
        path = write(tmp_path, "a.parquet", parquet([(*row[:2], row[2] > 2, row[3]) for row in events()]))
        assert sum(ratings_of(read_ratings(path))) == 24
        error = refused(path, scale="1:5:1")
        assert "most because the rating is not a number" in error.what

    def test_a_thumb_is_an_end_of_a_scale_of_two(self) -> None:
        domain = own_domain("song", Scale(-1, 1, 2))
        assert {parse_rating(word, domain) for word in THUMBS} == {-1, 1}
        with pytest.raises(BadValue, match="not a number"):
            parse_rating("up", own_domain("song", Scale(1, 5, 1)))


class TestDomains:
    @pytest.mark.parametrize(
        ("noun", "name"),
        [
            ("movie", "movie"),
            ("Board game", "board_game"),
            ("映画", "own"),
            ("mean thing", "own_mean_thing"),
            ("food com", "own_food_com"),
        ],
    )
    def test_the_id_is_a_plain_word_of_its_own(self, noun: str, name: str) -> None:
        domain = own_domain(noun, Scale(1, 5, 1))
        assert (domain.id, domain.item_noun) == (name, noun)

    @pytest.mark.parametrize("noun", ["", "  ", "a\nb", "x" * 61])
    def test_no_nouns(self, noun: str) -> None:
        with pytest.raises(UserError) as caught:
            own_domain(noun, Scale(1, 5, 1))
        assert caught.value.where == "item"

    @given(st.text(min_size=1, max_size=60).filter(lambda text: text.isprintable() and text.strip() != ""))
    def test_any_noun_gives_an_id(self, noun: str) -> None:
        assert own_domain(noun, Scale(1, 5, 1)).id.replace("_", "a").isalnum()


@given(st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.integers(), max_size=2)))
def test_text_and_whole_numbers_are_stored_as_they_are_or_refused(value: object) -> None:
    try:
        text = parse_text(value)
    except BadValue as error:
        assert str(error).startswith("is ") and error.reason.startswith("is ")
    else:
        expected = str(int(value)) if isinstance(value, float) else str(value)
        assert text == expected and pa.array([text]).to_pylist() == [text]
