"""Small raw files, row by row, and helpers for tests of synthetic files."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from deeper.prepare.sources import SOURCES
from deeper.prepare.synth.file_formats import FORMATS
from deeper.prepare.synth.meta_file import open_raw

DOMAINS = {"movielens": "movielens_20m", "amazon": "amazon_books", "food_com": "food_com",
           "google_local": "google_local"}  # fmt: skip
"""A domain of each family of data."""

DAY = 86_400
BEGIN = 1_400_025_600
"""Seconds since 1970, a midnight."""


class Row(NamedTuple):
    """A rating: ids, the rating as it is written, and how many days after `BEGIN`."""

    user: str
    item: str
    rating: str
    day: int


def write_ratings(folder: Path, domain: str, rows: Sequence[Row], raw_format: str = "") -> Path:
    """Write the ratings file of a domain, in its commonest format."""
    raw = FORMATS[raw_format or SOURCES[domain].formats[0]]
    columns = {name: pa.array([getattr(row, name) for row in rows]) for name in ("user", "item", "rating")}
    times = raw.time(np.array([BEGIN + row.day * DAY for row in rows]))
    text = raw.ratings_lines(
        {**columns, "time": times, "pick": pa.array([i * 37_003 % (1 << 20) for i in range(len(rows))])}
    )
    folder.mkdir(exist_ok=True)
    path = folder / raw.ratings_file.format(SOURCES[domain].category)
    with open_raw(path) as out:
        out.write((raw.ratings_header + "".join(text.to_pylist())).encode())
    return path


def write_meta(folder: Path, domain: str, items: Iterable[str]) -> None:
    """Write the meta file beside it: a title for each item."""
    raw = FORMATS[SOURCES[domain].formats[0]]
    rows = [raw.meta_line(item, f"Title of {item}", 1) for item in items]
    with open_raw(folder / raw.meta_file.format(SOURCES[domain].category)) as out:
        out.write((raw.meta_header + "".join(rows)).encode())


def domain_of(raw_format: str) -> str:
    """A domain that comes in the format."""
    return DOMAINS[FORMATS[raw_format].family]


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
