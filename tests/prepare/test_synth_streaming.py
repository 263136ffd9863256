"""Raw files are made and written chunk by chunk, whatever their size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_files import domain_of, files

from deeper.prepare.synth import meta_file, rating_events, raw_files
from deeper.prepare.synth.file_formats import FORMATS
from deeper.prepare.synth.rating_events import Events, chunks
from deeper.prepare.synth.raw_files import write_raw


class _Watched:
    """A file that counts the lines written to it and remembers the longest write."""

    def __init__(self, path: Path) -> None:
        self._file, self.lines, self.longest = path.open("wb"), 0, 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        lines = data.count(b"\n")
        self.lines, self.longest = self.lines + lines, max(self.longest, lines)

    def __enter__(self) -> "_Watched":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


@pytest.mark.parametrize("raw_format", ["movielens", "amazon_2018"])
def test_a_chunk_is_written_before_the_next_one_is_made(
    raw_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[_Watched] = []
    sizes: list[int] = []

    def watched_chunks(*args: Any) -> Iterator[Events]:
        for made in chunks(*args):
            sizes.append(len(made.users))
            yield made
            assert opened[0].lines == sum(sizes) + bool(FORMATS[raw_format].ratings_header)

    def watched_open(path: Path) -> _Watched:
        opened.append(_Watched(path))
        return opened[-1]

    monkeypatch.setattr(rating_events, "CHUNK_ROWS", 1000)
    monkeypatch.setattr(raw_files, "chunks", watched_chunks)
    monkeypatch.setattr(raw_files, "open_raw", watched_open)
    write_raw(domain_of(raw_format), 20_000, tmp_path / "raw", raw_format=raw_format)
    assert len(sizes) > 10
    assert sum(sizes) == 20_000
    assert opened[0].longest <= max(sizes) < 2500


def test_what_is_made_first_knows_nothing_of_how_much_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rating_events, "CHUNK_ROWS", 1000)
    for ratings in (5_000, 20_000):
        write_raw("movielens_20m", ratings, tmp_path / str(ratings))
    short, long = ((tmp_path / str(ratings) / "ratings.csv").read_bytes() for ratings in (5_000, 20_000))
    assert long.startswith(short)


def test_the_meta_file_is_written_in_chunks_whose_size_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_raw("food_com", 600, tmp_path / "large", bad_lines=30)
    opened: list[_Watched] = []

    def watched_open(path: Path) -> _Watched:
        opened.append(_Watched(path))
        return opened[-1]

    monkeypatch.setattr(meta_file, "CHUNK_ITEMS", 100)
    monkeypatch.setattr(meta_file, "open_raw", watched_open)
    write_raw("food_com", 600, tmp_path / "small", bad_lines=30)
    assert files(tmp_path / "small") == files(tmp_path / "large")
    # A recipe is of two lines at most, and a bad line may stand before it.
    assert opened[0].longest <= 100 * 2 + 10 * 2 < opened[0].lines
