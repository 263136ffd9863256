"""Input that is damaged, wrong or odd: a clear message, with file and line; and every way a good file may come."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deeper.behaviour.windows import strings
from deeper.errors import UserError

Run = Callable[..., dict[str, Any]]
SMALL = {"windows": 2, "train_users": 20, "eval_users": 10}
TABLES = ("behaviour.parquet", "windows.parquet", "contexts.parquet", "rejects.parquet")


def lines_of(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)


def review(user: str, item: str, time: int = 1_400_000_000, rating: object = 4.0) -> dict[str, object]:
    return {"overall": rating, "reviewerID": user, "asin": item, "unixReviewTime": time}


def jsonl(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def test_a_truncated_gz(raw: Path, run_prepare: Run, tmp_path: Path) -> None:
    path = raw / "Books_5.json.gz"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match="cannot be read to its end") as caught:
        run_prepare("amazon_books", raw, tmp_path / "out", **SMALL)
    assert str(path) == caught.value.where
    assert "fetch it again" in caught.value.do
    assert not (tmp_path / "out" / "behaviour.parquet").exists()


def test_a_damaged_gz(raw: Path, run_prepare: Run, tmp_path: Path) -> None:
    path = raw / "meta_Books.json.gz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 50] = bytes(50)
    path.write_bytes(data)
    with pytest.raises(UserError, match="cannot be read to its end"):
        run_prepare("amazon_books", raw, tmp_path / "out", **SMALL)


@pytest.mark.parametrize("content", [b"PK\x03\x04\0\0\0binary" * 100, b"\x1f\x8b garbage", b"", b"\n\n"])
def test_a_binary_or_empty_file(content: bytes, raw: Path, run_prepare: Run, tmp_path: Path) -> None:
    (raw / "Books_5.json.gz").write_bytes(content)
    with pytest.raises(UserError) as caught:
        run_prepare("amazon_books", raw, tmp_path / "out", **SMALL)
    assert caught.value.where == str(raw / "Books_5.json.gz")
    assert caught.value.do


def test_the_file_of_another_domain(raw: Path, run_prepare: Run, tmp_path: Path) -> None:
    (raw / "ratings.csv").write_bytes(b"".join(lines_of(raw / "Books_5.json.gz")))
    with pytest.raises(UserError, match="not a ratings file of movielens_20m; it begins with"):
        run_prepare("movielens_20m", raw, tmp_path / "out", **SMALL)
    meta = (str(raw / "meta_Books.json.gz"),)
    with pytest.raises(UserError, match="not a ratings file of amazon_books"):
        run_prepare("amazon_books", raw, tmp_path / "out", ratings=meta, meta=meta, **SMALL)
    ratings = (str(raw / "Books_5.json.gz"),)
    with pytest.raises(UserError, match="lines are bad; the first: the line cannot be read"):
        other = {"ratings": ratings, "meta": (str(raw / "truth" / "truth.json"),)}
        run_prepare("amazon_grocery", raw, tmp_path / "out", **other, **SMALL)


def test_no_ratings_and_no_titles(raw: Path, run_prepare: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no ratings file of food_com; looked for RAW_interactions.csv"):
        run_prepare("food_com", raw, tmp_path / "out")
    (raw / "meta_Books.json.gz").unlink()
    with pytest.raises(UserError, match="no file with the titles") as caught:
        run_prepare("amazon_books", raw, tmp_path / "out", **SMALL)
    assert "--untitled keep" in caught.value.do
    report = run_prepare("amazon_books", raw, tmp_path / "out", untitled="keep", **SMALL)
    assert report["ratings"]["untitled"] == 0
    assert set(strings(pq.read_table(tmp_path / "out" / "behaviour.parquet"), "title")) == {"Unknown"}


def test_two_files_that_fit(raw: Path, run_prepare: Run, tmp_path: Path) -> None:
    (raw / "old").mkdir()
    shutil.copy(raw / "Books_5.json.gz", raw / "old")
    with pytest.raises(UserError, match="several files match"):
        run_prepare("amazon_books", raw, tmp_path / "out", **SMALL)


def test_too_many_bad_lines_stop_with_the_first_and_a_higher_limit_goes_on(
    raw: Path, run_prepare: Run, tmp_path: Path
) -> None:
    lines = lines_of(raw / "Books_5.json.gz")
    lines[100:100] = [b'{"overall": 5\n', b"\xff\xfe\n"] * 10
    (raw / "Books_5.json.gz").unlink()
    (raw / "Books_5.json").write_bytes(b"".join(lines))
    with pytest.raises(UserError, match="20 of 4020 lines are bad; the first: the line cannot be read") as caught:
        run_prepare("amazon_books", raw, tmp_path / "out", **SMALL)
    assert caught.value.where == f"{raw / 'Books_5.json'}, line 101"
    report = run_prepare(
        "amazon_books", raw, tmp_path / "out", {"max_rejects": 0.01, "key_file": tmp_path / "out.key"}, **SMALL
    )
    assert report["rejected"] == 20
    rejects = pq.read_table(tmp_path / "out" / "rejects.parquet")
    assert rejects["line"].to_pylist() == list(range(101, 121))


def test_odd_values_of_json(run_prepare: Run, tmp_path: Path) -> None:
    good = [review("A" * 14, f"B{i:09d}", 1_400_000_000 + i) for i in range(40)]
    odd: list[Any] = [
        review("A" * 14, "B1", 10**30),
        review("A" * 14, "B1", -5),
        review("A" * 14, "B1", rating="NaN"),
        review("A" * 14, "B1", rating=1e400),
        review("A" * 14, "B1", rating=True),
        review("A" * 14, "B1", rating=None),
        review("A" * 14, "", 1_400_000_000),
        [1, 2],
        {"unixReviewTime": None},
    ]
    folder = tmp_path / "raw"
    folder.mkdir()
    jsonl(folder / "Books_5.json", [*good, *odd])
    jsonl(folder / "meta_Books.json", [{"asin": f"B{i:09d}", "title": f"T {i}"} for i in range(40)])
    report = run_prepare(
        "amazon_books", folder, tmp_path / "out", {"max_rejects": 1, "key_file": tmp_path / "k"}, **SMALL
    )
    assert (report["lines"], report["rejected"]) == (49, 9)
    reasons = pq.read_table(tmp_path / "out" / "rejects.parquet")["reason"].to_pylist()
    assert reasons == [
        "the time cannot be read",
        "the time is before 1990 or in the future",
        "the rating is off the domain's scale",
        "the rating is off the domain's scale",
        "the rating is not a number",
        "the rating is not a number",
        "no item id",
        "the line cannot be read",
        "the line cannot be read",
    ]


def test_a_title_of_a_megabyte_and_titles_that_attack(run_prepare: Run, tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    titles = ["x" * 1_000_000, "'); DROP TABLE bucket; --", "../../etc/passwd", "{0} %s <script>alert(1)</script>"]
    titles += [f"T {i}" for i in range(30)]
    jsonl(folder / "Books_5.json", [review("A" * 14, f"it'em {i}", 1_400_000_000 + i) for i in range(len(titles))])
    jsonl(folder / "meta_Books.json", [{"asin": f"it'em {i}", "title": title} for i, title in enumerate(titles)])
    report = run_prepare("amazon_books", folder, tmp_path / "o'ut", **SMALL)
    behaviour = pq.read_table(tmp_path / "o'ut" / "behaviour.parquet")
    assert strings(behaviour, "title")[:3] == ["'); DROP TABLE bucket; --", "../../etc/passwd", "{0} %s alert(1)"]
    assert report["titles"]["items_untitled"] == 1


def test_a_user_of_a_million_ratings(run_prepare: Run, tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    rows = (f"1,{i % 400_000},3.5,{1_000_000_000 + i}\r\n" for i in range(1_000_000))
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\r\n" + "".join(rows), newline="")
    movies = "".join(f'{i},"Film, {i}",Drama\n' for i in range(400_000))
    (folder / "movies.csv").write_text("movieId,title,genres\n" + movies)
    report = run_prepare("movielens_20m", folder, tmp_path / "out")
    assert report["ratings"]["repeats"] == 600_000
    assert report["tables"] == {"behaviour": 400_000, "windows": 7, "contexts": 5}
    first = pq.read_table(tmp_path / "out" / "behaviour.parquet").slice(0, 1).to_pylist()[0]
    assert first["item"] == "200000", "MovieLens keeps the last rating of a movie, and 0 to 199,999 came again later"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_of_many_lines_and_quotes(run_prepare: Run, tmp_path: Path, end: str) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    review_text = f'"first{end}second ""quoted"",{end}{end}last"'
    rows = [f"7,{i},2015-01-01,{i % 6},{review_text if i % 2 else 'short'}" for i in range(30)]
    rows[20:20] = ["7,99,2015-01-01", "7,99,soon,5,x", ""]
    text = end.join(["\ufeffuser_id,recipe_id,date,rating,review", *rows])
    (folder / "RAW_interactions.csv").write_bytes(text.encode())
    recipes = end.join(["name,id,minutes", *(f'" soup  {i}",{i},5' for i in range(30)), ",99,5"])
    (folder / "RAW_recipes.csv").write_bytes(recipes.encode())
    report = run_prepare("food_com", folder, tmp_path / "out", {"max_rejects": 1, "key_file": tmp_path / "k"}, **SMALL)
    assert (report["lines"], report["rejected"]) == (32, 2)
    rejects = pq.read_table(tmp_path / "out" / "rejects.parquet").to_pylist()
    lines = text.encode().split(b"\n")
    assert [lines[line["line"] - 1].strip() for line in rejects] == [b"7,99,2015-01-01", b"7,99,soon,5,x"]
    assert report["ratings"]["unrated"] == 5
    titles = strings(pq.read_table(tmp_path / "out" / "behaviour.parquet"), "title")
    assert sorted(titles) == sorted(f"soup {i}" for i in range(30))


def test_an_amazon_csv_whose_order_is_unclear(run_prepare: Run, tmp_path: Path) -> None:
    path = tmp_path / "Books.csv"
    path.write_text("".join(f"{i},{i + 1},5.0,1400000000\n" for i in range(40)))
    files: dict[str, Any] = {"ratings": (str(path),), "untitled": "keep", **SMALL}
    with pytest.raises(UserError, match="not a ratings file") as caught:
        run_prepare("amazon_books", Path(), tmp_path / "out", **files)
    assert "--format" in caught.value.do


def test_plain_zstd_parts_and_addresses_give_the_same(books: Path, run_prepare: Run, tmp_path: Path) -> None:
    key = {"key_file": tmp_path / "key"}
    run_prepare("amazon_books", books, tmp_path / "gz", key, **SMALL)
    lines = lines_of(books / "Books_5.json.gz")
    meta = b"".join(lines_of(books / "meta_Books.json.gz"))

    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "Books_5.json").write_bytes(b"".join(lines))
    (plain / "meta_Books.json.zst").write_bytes(pa.Codec("zstd").compress(meta).to_pybytes())
    run_prepare("amazon_books", plain, tmp_path / "zstd", key, **SMALL)

    for number, part in enumerate((lines[:1500], lines[1500:])):
        (plain / f"part-{number}.gz").write_bytes(
            gzip.compress(b"".join(part[:700])) + gzip.compress(b"".join(part[700:]))
        )
    files = {
        "ratings": tuple(str(plain / f"part-{number}.gz") for number in range(2)),
        "meta": (str(plain / "meta_Books.json.zst"),),
    }
    run_prepare("amazon_books", Path(), tmp_path / "parts", key, **files, **SMALL)

    system = fsspec.filesystem("memory")
    system.pipe("/raw/books/Books_5.json.gz", (books / "Books_5.json.gz").read_bytes())
    system.pipe("/raw/books/meta_Books.json.gz", (books / "meta_Books.json.gz").read_bytes())
    run_prepare("amazon_books", "memory://raw", tmp_path / "address", key, **SMALL)

    for name in TABLES:
        expected = (tmp_path / "gz" / name).read_bytes()
        assert [(tmp_path / way / name).read_bytes() == expected for way in ("zstd", "parts", "address")] == [True] * 3
