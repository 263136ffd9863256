"""Text files as spreadsheets, Windows and data sets write them: encodings, separators, headers, unreadable rows."""

import json
from pathlib import Path
from typing import Any

import pytest

from deeper.behaviour.own.folder import read_own
from deeper.behaviour.own.ratings_file import OwnRatings, read_ratings
from deeper.errors import UserError

HEADER = "user,title,rating,time"


def lines(title: str = "Amélie", count: int = 20) -> list[str]:
    return [f"1,{title} {i},{(1, 5)[i % 2]},2023-01-{i + 1:02}" for i in range(count)]


def write(folder: Path, text: str, encoding: str = "utf-8", name: str = "a.csv") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def table(rows: list[str], header: str = HEADER) -> str:
    return "\n".join([header, *rows, ""])


def titles(own: OwnRatings) -> list[str]:
    return [item["title"] for items in own.windows["items"].to_pylist() for item in items]


def refused(path: Path, **how: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        read_ratings(path, **how)
    assert caught.value.do
    return caught.value


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
    def test_a_byte_order_mark_is_enough(self, tmp_path: Path, encoding: str) -> None:
        own = read_ratings(write(tmp_path, table(lines()), encoding))
        assert titles(own) == [f"Amélie {i}" for i in range(20)] and own.notes == []

    @pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
    def test_windows_text_is_named_and_read_when_asked(self, tmp_path: Path, name: str) -> None:
        cells = [dict(zip(HEADER.split(","), line.split(","), strict=True)) for line in lines()]
        as_json = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in cells)
        text = as_json if name == "a.jsonl" else table(lines())
        path = write(tmp_path, text, "cp1252", name)
        error = refused(path)
        assert error.what == f"line {1 if name == 'a.jsonl' else 2} is not in UTF-8"
        assert "give --encoding cp1252 if" in error.do and "Amélie 0" in error.do
        assert titles(read_ratings(path, encoding="cp1252"))[0] == "Amélie 0"
        assert titles(read_ratings(path, encoding="Windows-1252"))[0] == "Amélie 0"

    def test_a_few_accents_are_enough_to_refuse_a_file_in_another_encoding(self, tmp_path: Path) -> None:
        rows = [*lines("Film", 40)[:31], "1,Amélie,5,2023-02-01"]
        error = refused(write(tmp_path, table(rows), "latin-1"))
        assert error.what == "line 33 is not in UTF-8", "one row of 32 would pass as skipped, and only its kind"

    def test_a_damaged_line_of_a_file_in_utf_8_is_skipped(self, tmp_path: Path) -> None:
        text = table(lines()).encode() + b"1,Am\xe9lie,5,2023-02-01\n"
        (tmp_path / "a.csv").write_bytes(text)
        own = read_ratings(tmp_path / "a.csv")
        assert own.notes == ["rows skipped: 1 of 21 (the row is not in UTF-8: 1)"]

    def test_a_header_in_another_encoding_is_named(self, tmp_path: Path) -> None:
        path = write(tmp_path, table(lines(), "user,title,rating,träger"), "cp1252")
        assert "--encoding cp1252 if 'träger' is right" in refused(path).do
        assert titles(read_ratings(path, encoding="cp1252"))[0] == "Amélie 0"

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf_16_without_a_mark_is_named_and_read_when_asked(self, tmp_path: Path, encoding: str) -> None:
        path = write(tmp_path, table(lines()), encoding)
        assert f"--encoding {encoding}" in refused(path).do
        assert titles(read_ratings(path, encoding=encoding))[0] == "Amélie 0"

    @pytest.mark.parametrize("name", ["klingon", "hex", "rot13", "\0", "a" * 200])
    def test_there_is_no_such_encoding(self, tmp_path: Path, name: str) -> None:
        error = refused(write(tmp_path, table(lines())), encoding=name)
        assert error.where == "encoding" and "cp1252" in error.do

    def test_the_wrong_encoding_is_refused(self, tmp_path: Path) -> None:
        error = refused(write(tmp_path, table(lines()) + "x"), encoding="utf-16-le")
        assert error.do
        assert "the file is not in utf-16" in refused(write(tmp_path, table(lines()) + "x"), encoding="utf-16").what

    def test_a_folder_names_the_encoding_too(self, tmp_path: Path) -> None:
        write(tmp_path, table(lines()), "cp1252", "behaviour.csv")
        (tmp_path / "domain.toml").write_text(
            'id = "films"\nname = "Films"\nitem_noun = "film"\nscale = [1, 5, 1]\n', "utf-8"
        )
        with pytest.raises(UserError) as caught:
            read_own(tmp_path)
        assert caught.value.where.endswith("line 2") and "cp1252" in caught.value.do

    @pytest.mark.parametrize(("ending", "advice"), [("xlsx", "save the sheet as CSV"), ("zip", "unpack it")])
    def test_a_spreadsheet_or_an_archive(self, tmp_path: Path, ending: str, advice: str) -> None:
        assert advice in refused(write(tmp_path, "PK", name=f"a.{ending}")).do
        zipped = tmp_path / "a.csv"
        zipped.write_bytes(b"PK\x03\x04" + bytes(40))
        assert refused(zipped).what == "the file is a spreadsheet or a zip file, not text"


class TestSeparators:
    @pytest.mark.parametrize("named", ["sep=;\n", '"sep=;"\n', "SEP=;\r\n"])
    def test_a_first_line_may_name_the_separator(self, tmp_path: Path, named: str) -> None:
        rows = [f"1;A, B | C {i};{(1, 5)[i % 2]}" for i in range(20)]
        own = read_ratings(write(tmp_path, named + table(rows, "user;title;rating")))
        assert titles(own)[0] == "A, B | C 0" and own.summary.rows == 20

    def test_the_named_separator_counts_and_lines_keep_their_numbers(self, tmp_path: Path) -> None:
        rows = [line.replace(",", "\t") for line in lines(count=28)]
        rows[3] = "1\tFilm\tgood\t2023-01-01"
        text = "sep=\t\n" + table(rows, HEADER.replace(",", "\t"))
        own = read_ratings(write(tmp_path, text), scale="1:5:1")
        assert own.summary.skipped["the rating is not a number"].examples[0].startswith("line 6: ")

    @pytest.mark.parametrize("name", ["a.dat", "a.txt"])
    def test_double_colons(self, tmp_path: Path, name: str) -> None:
        rows = [f'1::Alien: "Part" {i}, the Film::{(1, 5)[i % 2]}::{978300760 + i}' for i in range(20)]
        own = read_ratings(write(tmp_path, table(rows, "user::title::rating::time"), name=name))
        assert titles(own)[0] == 'Alien: "Part" 0, the Film'
        assert own.summary.format == "CSV, separated by double colons"
        path = write(tmp_path, "".join(f"{row}\n" for row in rows).replace(": ", ", a, b, c, "), name=name)
        assert "2: Alien, a, b, c," in refused(path).what

    def test_decimal_commas_are_read_between_semicolons(self, tmp_path: Path) -> None:
        rows = [f"1;1,{i};{('1,0', '4,5', '0,5', '5')[i % 4]};2023-01-{i + 1:02}" for i in range(20)]
        own = read_ratings(write(tmp_path, table(rows, HEADER.replace(",", ";"))))
        first = own.windows["items"][0].as_py()
        assert [item["rating"] for item in first[:4]] == [1.0, 4.5, 0.5, 5.0]
        assert [item["title"] for item in first] == [f"1,{i}" for i in range(10)], "a title is no number"

    def test_elsewhere_they_are_said_to_be_no_numbers(self, tmp_path: Path) -> None:
        rows = [f'1,Film {i},"4,5"' for i in range(20)]
        error = refused(write(tmp_path, table(rows, "user,title,rating")))
        assert error.what == "no rating can be read: '4,5' is no number (line 2, column rating)"
        assert "semicolons" in error.do


class TestHeaders:
    def test_empty_trailing_columns_are_ignored(self, tmp_path: Path) -> None:
        rows = [f"{line}{',,' if i % 2 else ''}" for i, line in enumerate(lines("Film"))]
        own = read_ratings(write(tmp_path, table(rows, HEADER + ",,")))
        assert own.summary.ratings == 20 and not own.summary.skipped

    @pytest.mark.parametrize("used", [False, True])
    def test_only_columns_that_are_used_need_a_name_of_their_own(self, tmp_path: Path, used: bool) -> None:
        text = table([f"{line},x,y" for line in lines("Film")], HEADER + (",title,title" if used else ",note,note"))
        if used:
            assert refused(write(tmp_path, text)).what == "two columns have the same name, 'title'"
        else:
            assert read_ratings(write(tmp_path, text)).summary.ratings == 20

    @pytest.mark.parametrize("separator", [",", "\t", "::", "|"])
    def test_a_file_without_a_header_is_recognised_and_read_by_numbers(self, tmp_path: Path, separator: str) -> None:
        text = "".join(line.replace(",", separator) + "\n" for line in lines("Film"))
        error = refused(write(tmp_path, text))
        assert error.what == "the file has no header; its first row is 1: 1, 2: Film 0, 3: 1, 4: 2023-01-01"
        assert "--columns user=1,title=2,rating=3,time=4" in error.do
        own = read_ratings(tmp_path / "a.csv", columns=["user=1", "title=2", "rating=3", "time=4"])
        assert titles(own) == [f"Film {i}" for i in range(20)]
        assert own.summary.columns == {"user": "1", "title": "2", "rating": "3", "time": "4"}

    def test_a_header_may_hold_numbers_and_line_ends(self, tmp_path: Path) -> None:
        rows = [f"{line},7" for line in lines("Film")]
        assert read_ratings(write(tmp_path, table(rows, HEADER + ",2019"))).summary.ratings == 20
        own = read_ratings(write(tmp_path, table(rows, 'user,title,"your\nrating",time,7')))
        assert own.summary.columns["rating"] == "your\nrating"

    def test_blank_lines_before_the_header(self, tmp_path: Path) -> None:
        assert read_ratings(write(tmp_path, " \n,,,\n" + table(lines("Film")))).summary.rows == 20


class TestTheRealReason:
    def test_cells(self, tmp_path: Path) -> None:
        rows = [f"1,Film {i},{(1, 5)[i % 2]}," for i in range(20)]
        error = refused(write(tmp_path, table(rows, "user,title,rating")))
        assert error.what == "no rating can be read: line 2 has 4 cells, the header 3"
        assert "--scale" not in error.do

    def test_json_that_is_none(self, tmp_path: Path) -> None:
        text = "".join(f"{dict(user=1, title=f'Film {i}', rating=1)}\n" for i in range(20))
        error = refused(write(tmp_path, text, name="a.jsonl"))
        assert error.what.startswith("line 1 is not valid JSON (Expecting property name enclosed in double quotes")
        assert error.where.endswith("a.jsonl") and "double quotes" in error.do


class TestJsonDocuments:
    """A whole document in place of objects on lines of their own."""

    ROWS = [{"user": "u", "title": f"Amélie {i}", "rating": 1 + i % 5, "time": 1_600_000_000 + i} for i in range(20)]

    @pytest.mark.parametrize("indent", [None, 2])
    def test_an_array_is_read_object_by_object(self, tmp_path: Path, indent: int | None) -> None:
        text = json.dumps(self.ROWS, ensure_ascii=False, indent=indent)
        assert titles(read_ratings(write(tmp_path, text, name="a.json"))) == [row["title"] for row in self.ROWS]

    def test_an_object_that_holds_one_array_of_objects_is_read_as_this_array(self, tmp_path: Path) -> None:
        text = json.dumps({"version": 1, "tags": ["a"], "ratings": self.ROWS}, indent=1)
        assert len(titles(read_ratings(write(tmp_path, text, name="a.json")))) == 20

    def test_places_of_geojson_are_their_properties(self, tmp_path: Path) -> None:
        features = [{"type": "Feature", "geometry": {"type": "Point"}, "properties": row} for row in self.ROWS]
        text = json.dumps({"type": "FeatureCollection", "features": features}, indent=1)
        assert len(titles(read_ratings(write(tmp_path, text, name="a.json")))) == 20

    def test_an_array_that_is_cut_off_is_refused_with_the_place(self, tmp_path: Path) -> None:
        error = refused(write(tmp_path, json.dumps(self.ROWS, indent=1)[:-40], name="a.json"))
        assert "the JSON array cannot be read" in error.what and "line" in error.what
