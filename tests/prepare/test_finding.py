"""Where raw files are looked for, and which of them are taken."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from deeper.errors import UserError
from deeper.prepare.raw.find import NoRawFile
from deeper.prepare.raw.readers import READERS

Run = Callable[..., dict[str, Any]]
SMALL = {"windows": 2, "train_users": 20, "eval_users": 10}


def test_what_comes_out_below_the_raw_folder_is_not_taken_for_raw_files(raw: Path, run_prepare: Run) -> None:
    first = run_prepare("amazon_books", raw, raw / "amazon_books", **SMALL)
    assert run_prepare("amazon_books", raw, raw / "amazon_books", **SMALL) == first


def test_a_domains_own_folder_is_preferred(raw: Path, run_prepare: Run, tmp_path: Path) -> None:
    shutil.copytree(raw, raw / "amazon_book")
    assert run_prepare("amazon_books", raw, tmp_path / "out", **SMALL)["lines"]


def test_a_linked_folder_is_searched(books: Path, run_prepare: Run, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "linked").symlink_to(books, target_is_directory=True)
    assert run_prepare("amazon_books", tmp_path / "raw", tmp_path / "out", **SMALL)["lines"]


def test_ratings_alone_need_no_folder(raw: Path, run_prepare: Run, tmp_path: Path) -> None:
    ratings = (str(raw / "Books_5.json.gz"),)
    report = run_prepare("amazon_books", "", tmp_path / "out", ratings=ratings, untitled="keep", **SMALL)
    assert report["ratings"]["untitled"] == 0
    with pytest.raises(UserError, match="no raw files are named"):
        run_prepare("amazon_books", "", tmp_path / "other", **SMALL)


def test_a_folder_without_a_ratings_file_differs_from_one_with_a_damaged_file(
    raw: Path, run_prepare: Run, tmp_path: Path
) -> None:
    with pytest.raises(NoRawFile, match="no ratings file of food_com"):
        run_prepare("food_com", raw, tmp_path / "out", **SMALL)
    (raw / "Books_5.json.gz").write_bytes(b"")
    with pytest.raises(UserError, match="the file is empty") as caught:
        run_prepare("amazon_books", raw, tmp_path / "out", **SMALL)
    assert not isinstance(caught.value, NoRawFile)


def test_a_file_in_place_of_the_folder(raw: Path, run_prepare: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="this is a file") as caught:
        run_prepare("amazon_books", raw / "Books_5.json.gz", tmp_path / "out", **SMALL)
    assert "--ratings" in caught.value.do


def test_a_bad_first_line_does_not_hide_the_format(raw: Path, run_prepare: Run, tmp_path: Path) -> None:
    path = raw / "Books_5.json.gz"
    before = run_prepare("amazon_books", raw, tmp_path / "before", **SMALL)
    path.write_bytes(gzip.compress(b"{bad\n" + gzip.decompress(path.read_bytes())))
    report = run_prepare("amazon_books", raw, tmp_path / "out", **SMALL)
    assert report["rejected"] == before["rejected"] + 1
    assert report["sampled"] == before["sampled"]


def test_ratings_in_place_of_titles(raw: Path, run_prepare: Run, tmp_path: Path) -> None:
    both = (str(raw / "Books_5.json.gz"),)
    with pytest.raises(UserError, match="the file holds ratings, not titles") as caught:
        run_prepare("amazon_books", raw, tmp_path / "out", meta=both, **SMALL)
    assert caught.value.where == both[0]


def test_titles_of_other_items(raw: Path, run_prepare: Run, tmp_path: Path) -> None:
    meta = tmp_path / "meta.json"
    meta.write_text(json.dumps({"asin": "other", "title": "Another Thing"}) + "\n", "utf-8")
    with pytest.raises(UserError, match="title for none of the rated items") as caught:
        run_prepare("amazon_books", raw, tmp_path / "out", meta=(str(meta),), **SMALL)
    assert str(meta) in caught.value.where and "--untitled keep" in caught.value.do


def test_addresses_that_cannot_be_reached(run_prepare: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="the address cannot be reached"):
        run_prepare("amazon_books", "nothing://there", tmp_path / "out", **SMALL)
    with pytest.raises(UserError, match="there is no such folder"):
        run_prepare("amazon_books", "memory://nowhere", tmp_path / "out", **SMALL)

    class Uninstalled(fsspec.AbstractFileSystem):
        def __init__(self, *args: Any, **words: Any) -> None:
            raise ImportError("Install that")

    fsspec.register_implementation("uninstalled", Uninstalled, clobber=True)
    with pytest.raises(UserError, match="needs a package") as caught:
        run_prepare("amazon_books", "uninstalled://there", tmp_path / "out", **SMALL)
    assert "s3fs" in caught.value.do


def test_the_docs_name_every_format() -> None:
    page = (Path(__file__).parents[2] / "docs" / "domains.md").read_text("utf-8")
    assert not [name for name in READERS if f"`{name}`" not in page]
