"""What every reader of a raw format promises: inherit `ReaderContract` and name the formats.

class TestMine(ReaderContract):
    raw_format = formats_of(READERS["mine"])

The files are synthetic: the format needs an entry in `deeper.prepare.synth.file_formats.FORMATS`.
"""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_files import BEGIN, Row, write_ratings

from deeper.behaviour.windows import strings
from deeper.domains import BUILTIN
from deeper.errors import UserError
from deeper.prepare.clean_titles import write_titles
from deeper.prepare.database import database
from deeper.prepare.item_categories import write_categories
from deeper.prepare.raw.reader import Reader
from deeper.prepare.raw.readers import READERS
from deeper.prepare.raw.reasons import REASONS, UNREADABLE
from deeper.prepare.raw.recognise import find_reader
from deeper.prepare.raw_to_parquet import Staging, rejected_lines, stage_meta, stage_ratings
from deeper.prepare.sample_users import SAMPLED_USERS
from deeper.prepare.sources import SOURCES
from deeper.prepare.synth.file_formats import FORMATS
from deeper.prepare.synth.made_categories import ROOT
from deeper.prepare.synth.raw_files import SyntheticFiles, write_raw

ROWS = [Row(f"A{i % 3:013d}", f"B{i:09d}", str(1 + i % 5), i) for i in range(30)]


def formats_of(*readers: Reader) -> Any:
    """The fixture `raw_format` of a class of tests: each synthetic format that one of the readers reads."""
    formats = [name for name in FORMATS if _reader_of(name) in readers]
    missing = {reader.name for reader in readers} - {_reader_of(name).name for name in formats}
    assert not missing, f"no synthetic format of {missing} in deeper.prepare.synth.file_formats.FORMATS"

    def raw_format(cls: type, request: pytest.FixtureRequest) -> str:
        return request.param

    return pytest.fixture(params=formats, scope="class")(classmethod(raw_format))


def _reader_of(raw_format: str) -> Reader:
    """The reader of a format; a variant ("movielens_kaggle") begins with its reader's name."""
    return READERS[max((name for name in READERS if raw_format.startswith(name)), key=len)]


class Read(NamedTuple):
    """Good ratings in the order of the file, and bad lines."""

    good: list[tuple[int, str, str, float, datetime]]
    rejected: list[dict[str, Any]]


class ReaderContract:
    """What `deeper prepare` asks of a raw format and its reader."""

    @pytest.fixture(scope="class")
    @classmethod
    def raw_format(cls) -> str:
        raise NotImplementedError("override the fixture `raw_format`")

    @pytest.fixture(scope="class")
    @classmethod
    def reader(cls, raw_format: str) -> Reader:
        return _reader_of(raw_format)

    @pytest.fixture(scope="class")
    @classmethod
    def domain(cls, reader: Reader) -> str:
        """A domain that comes in the format."""
        return next(name for name, source in SOURCES.items() if reader.name in source.formats)

    @pytest.fixture(scope="class")
    @classmethod
    def synthetic(cls, raw_format: str, domain: str, tmp_path_factory: pytest.TempPathFactory) -> SyntheticFiles:
        """Files with every kind of bad line twice."""
        folder = tmp_path_factory.mktemp(raw_format) / "raw"
        return write_raw(domain, 2000, folder, raw_format=raw_format, bad_lines=2 * len(REASONS))

    @pytest.fixture
    def path(self, raw_format: str, domain: str, tmp_path: Path) -> Path:
        """A file of `ROWS`."""
        return write_ratings(tmp_path / "rows", domain, ROWS, raw_format)

    def test_its_files_are_recognised_among_all_readers(
        self, reader: Reader, path: Path, synthetic: SyntheticFiles
    ) -> None:
        for file in (path, _ratings_file(synthetic)):
            for other in READERS:
                # Whichever comes first: were both to claim the file, the first would get it.
                for formats in ([other, reader.name], [reader.name, other]):
                    assert find_reader(str(file), formats, "any") is reader

    def test_its_files_are_found_by_their_names(self, reader: Reader, domain: str, synthetic: SyntheticFiles) -> None:
        category = SOURCES[domain].category
        names = {path.name.removesuffix(".gz") for path in synthetic.folder.iterdir() if path.is_file()}
        for patterns in (reader.rating_files, reader.meta_files):
            assert len(names & {pattern.format(category) for pattern in patterns}) == 1

    def test_rows_are_read_with_their_line_numbers(
        self, reader: Reader, domain: str, path: Path, tmp_path: Path
    ) -> None:
        text = _text(path)
        # The number of a record's line is known from its item, which stands in no other record.
        lines = [text[: text.index(row.item)].count("\n") + 1 for row in ROWS]
        assert _read(path, reader, domain, tmp_path) == Read(
            [
                (line, row.user, row.item, float(row.rating), _time(row) + _offset(reader))
                for line, row in zip(lines, ROWS, strict=True)
            ],
            [],
        )

    def test_each_bad_line_is_rejected_for_its_reason(
        self, reader: Reader, domain: str, synthetic: SyntheticFiles, tmp_path: Path
    ) -> None:
        file = _ratings_file(synthetic)
        read = _read(file, reader, domain, tmp_path)
        expected = [line for line in synthetic.truth["bad_lines"] if line["file"] == file.name]
        assert read.rejected == expected
        assert {line["reason"] for line in expected} == set(REASONS)
        assert len(read.good) == synthetic.truth["ratings"]

    def test_gzip_changes_nothing(self, reader: Reader, domain: str, path: Path, tmp_path: Path) -> None:
        expected = _read(path, reader, domain, tmp_path / "before")
        other = path.with_suffix("") if path.suffix == ".gz" else path.with_name(f"{path.name}.gz")
        other.write_bytes(_text(path).encode() if path.suffix == ".gz" else gzip.compress(path.read_bytes()))
        assert find_reader(str(other), list(READERS), "any") is reader
        assert _read(other, reader, domain, tmp_path / "after") == expected

    def test_titles_are_those_of_the_meta_file(
        self, raw_format: str, reader: Reader, domain: str, synthetic: SyntheticFiles, tmp_path: Path
    ) -> None:
        path = synthetic.folder / FORMATS[raw_format].meta_file.format(SOURCES[domain].category)
        with database(tmp_path / "spill", 1.0) as con:
            staged = stage_meta(Staging(con, tmp_path, lambda records: None), str(path), reader)
            bad = rejected_lines(con, staged)
            counts = write_titles(con, [staged], tmp_path / "titles.parquet")
        assert [{**line, "file": path.name} for line in bad] == [
            line for line in synthetic.truth["bad_lines"] if line["file"] == path.name
        ]
        assert {name: counts[name] for name in synthetic.truth["meta"]} == synthetic.truth["meta"]
        truth = pq.read_table(synthetic.folder / "truth" / "titles.parquet")
        expected = {item: title for item, title in _pairs(truth) if title}
        found = dict(_pairs(pq.read_table(tmp_path / "titles.parquet")))
        assert expected.items() <= found.items()
        assert not found.keys() & {item for item, title in _pairs(truth) if not title}

    def test_categories_are_those_of_the_meta_file(
        self, raw_format: str, reader: Reader, domain: str, synthetic: SyntheticFiles, tmp_path: Path
    ) -> None:
        path = synthetic.folder / FORMATS[raw_format].meta_file.format(SOURCES[domain].category)
        truth = pq.read_table(synthetic.folder / "truth" / "titles.parquet")
        expected = dict(zip(strings(truth, "item"), truth["categories"].to_pylist(), strict=True))
        assert {"Mystery", "mystery"} & {category for categories in expected.values() for category in categories}
        found, report = _categories(path, reader, domain, [*expected, "of no row"], tmp_path)
        assert found == {item: categories for item, categories in expected.items() if categories}
        assert report["items"] == len(found)
        assert set(report["dropped"]) <= {ROOT}

    def test_a_meta_file_without_categories_has_none(
        self, raw_format: str, reader: Reader, domain: str, synthetic: SyntheticFiles, tmp_path: Path
    ) -> None:
        path = synthetic.folder / FORMATS[raw_format].meta_file.format(SOURCES[domain].category)
        bare = tmp_path / path.name.removesuffix(".gz")
        bare.write_text(_without(_text(path), reader), "utf-8", newline="")
        truth = pq.read_table(synthetic.folder / "truth" / "titles.parquet")
        assert _categories(bare, reader, domain, strings(truth, "item"), tmp_path)[0] == {}

    def test_columns_are_found_by_name_or_else_not_at_all(
        self, reader: Reader, domain: str, path: Path, tmp_path: Path
    ) -> None:
        expected = _read(path, reader, domain, tmp_path / "before")
        turned = tmp_path / path.name.removesuffix(".gz")
        turned.write_text(_with_columns_reversed(_text(path), reader), "utf-8", newline="")
        if reader.ratings.columns:
            with pytest.raises(UserError, match="not a ratings file"):
                find_reader(str(turned), [reader.name], "any")
        else:
            assert find_reader(str(turned), list(READERS), "any") is reader
            assert _read(turned, reader, domain, tmp_path / "after") == expected

    def test_a_file_cut_in_the_middle_of_a_record_loses_that_record_only(
        self, reader: Reader, domain: str, path: Path, tmp_path: Path
    ) -> None:
        whole = _read(path, reader, domain, tmp_path / "before")
        last_line = whole.good[-1][0]
        start = sum(len(line) for line in _text(path).splitlines(keepends=True)[: last_line - 1])
        cut = tmp_path / path.name.removesuffix(".gz")
        middle = start + _text(path)[start:].index(ROWS[-1].item) + 3
        cut.write_text(_text(path)[:middle], "utf-8", newline="")
        assert _read(cut, reader, domain, tmp_path / "after") == Read(
            whole.good[:-1], [{"file": cut.name, "line": last_line, "reason": UNREADABLE}]
        )

    def test_a_truncated_gz_is_an_error(self, reader: Reader, domain: str, path: Path, tmp_path: Path) -> None:
        cut = tmp_path / f"{path.name.removesuffix('.gz')}.gz"
        cut.write_bytes(gzip.compress(_text(path).encode())[:-20])
        with pytest.raises(UserError, match="cannot be read to its end") as caught:
            _read(cut, reader, domain, tmp_path)
        assert caught.value.where == str(cut)


def _ratings_file(synthetic: SyntheticFiles) -> Path:
    truth = synthetic.truth
    name = FORMATS[truth["format"]].ratings_file.format(SOURCES[truth["domain"]].category)
    return synthetic.folder / name


def _read(path: Path, reader: Reader, domain: str, work: Path) -> Read:
    work.mkdir(exist_ok=True)
    with database(work / "spill", 1.0) as con:
        staged = stage_ratings(Staging(con, work, lambda records: None), str(path), reader, BUILTIN[domain], 2)
        bad = rejected_lines(con, staged)
    tables = [pq.ParquetFile(file).read() for file in staged.folder.glob("bucket=[0-9]/*.parquet")]
    rows = pa.concat_tables(tables).sort_by("line").to_pylist()
    good = [tuple(row[name] for name in ("line", "user", "item", "rating", "time")) for row in rows]
    assert staged.lines == len(good) + len(bad)
    assert staged.rejected == len(bad)
    return Read(good, [{**line, "file": path.name} for line in bad])


def _categories(
    path: Path, reader: Reader, domain: str, items: Sequence[str], work: Path
) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """The categories of items that a user has rated, and the report."""
    ratings = work / "kept.parquet"
    pq.write_table(pa.table({"user": ["raw"] * len(items), "item": items}), ratings)
    user = {"raw": "raw", "user": "new", "split": "train", "n": len(items)}
    sampled = pa.Table.from_pylist([user], schema=SAMPLED_USERS)
    with database(work / "spill", 1.0) as con:
        staged = stage_meta(Staging(con, work, lambda records: None), str(path), reader)
        out, separator = work / "categories.parquet", reader.category_separator
        report = write_categories(con, [staged], [ratings], sampled, domain, separator, out)
    found = {row["item"]: row["categories"] for row in pq.read_table(out).to_pylist() if row["categories"]}
    return found, report


def _without(text: str, reader: Reader) -> str:
    """A meta file whose readable records hold nothing but item and title."""
    kept = [name for names in reader.meta.names.values() for name in names]
    if reader.meta_record_format == "json":
        lines = [line for line in text.splitlines() if line.endswith("}")]
        rows = [json.loads(line) for line in lines]
        return "".join(json.dumps({name: row[name] for name in kept if name in row}) + "\n" for row in rows)
    out = io.StringIO(newline="")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    places = [header.index(name) for name in kept]
    csv.writer(out, lineterminator="\n").writerows(
        [row[place] for place in places] for row in (header, *rows) if len(row) == len(header)
    )
    return out.getvalue()


def _text(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def _time(row: Row) -> datetime:
    return (datetime.fromtimestamp(BEGIN, UTC) + timedelta(days=row.day)).replace(tzinfo=None)


def _offset(reader: Reader) -> timedelta:
    """The synthesiser adds 123 ms where a format has milliseconds."""
    return timedelta(milliseconds=123 if "* 1000 " in reader.time_sql else 0)


def _pairs(titles: pa.Table) -> Sequence[tuple[str, str]]:
    return list(zip(strings(titles, "item"), strings(titles, "title"), strict=True))


def _with_columns_reversed(text: str, reader: Reader) -> str:
    if reader.record_format == "json":
        rows = [json.loads(line) for line in text.splitlines()]
        return "".join(json.dumps(dict(reversed(row.items()))) + "\n" for row in rows)
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(row[::-1] for row in csv.reader(io.StringIO(text, newline="")))
    return out.getvalue()
