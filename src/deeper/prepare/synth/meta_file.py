"""The made-up meta file of a raw format: a row for each item that has one, and bad lines among them."""

import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from deeper.prepare.raw import reasons
from deeper.prepare.synth.file_formats import Lines
from deeper.prepare.synth.made_titles import ABSENT, QUIRKS, TWICE, make_title

CHUNK_ITEMS = 50_000


def open_raw(path: Path) -> BinaryIO:
    """A raw file to write, compressed if its name says so; the same bytes whenever it is written."""
    return cast(BinaryIO, gzip.GzipFile(path, "wb", 1, mtime=0) if path.suffix == ".gz" else path.open("wb"))


def bad_places(rows: int, count: int, stream: Sequence[int]) -> list[int]:
    """Row numbers before which a bad line stands, ascending.

    Args:
        rows: Rows of the file.
        count: Bad lines, as many as there are rows at most.
        stream: What seeds the draw.
    """
    return sorted(np.random.default_rng(stream).choice(rows, min(count, rows), replace=False).tolist())


def write_meta(lines: Lines, path: Path, kinds: NDArray[np.uint8], places: Sequence[int]) -> dict[str, Any]:
    """Write the meta file, chunk by chunk.

    Args:
        lines: The raw format.
        path: Of the meta file.
        kinds: Quirk of each item; shape (items,).
        places: Items before which a bad line stands, ascending.

    Returns:
        Counts of what a reader must find: `items`, `items_untitled`, `items_repeated` (rows beyond an item's first);
        and `bad_lines`, each with file, line and reason.
    """
    bad: list[dict[str, Any]] = []
    bad_at, line = set(places), 1 + lines.meta_header.count("\n")
    with open_raw(path) as out:
        out.write(lines.meta_header.encode())
        for low in range(0, len(kinds), CHUNK_ITEMS):
            numbers = np.arange(low, min(low + CHUNK_ITEMS, len(kinds)))
            text = io.StringIO()
            for item, name in zip(numbers.tolist(), cast(list[str], lines.ids[1](numbers).to_pylist()), strict=True):
                rows = list[str]()
                if item in bad_at:
                    is_cut = len(bad) % 2 == 0
                    reason = reasons.UNREADABLE if is_cut else reasons.NO_ITEM
                    bad.append({"file": path.name, "line": line, "reason": reason})
                    rows.append(lines.unreadable if is_cut else lines.meta_line("", "A title of nothing", item))
                if kinds[item] != ABSENT:
                    row = lines.meta_line(name, make_title(lines.kind, item, kinds[item]).raw, item)
                    rows += [row] * (2 if kinds[item] == TWICE else 1)
                line += sum(row.count("\n") for row in rows)
                text.writelines(rows)
            out.write(text.getvalue().encode())
    is_there = kinds != ABSENT
    return {
        "items": int(is_there.sum()),
        "items_untitled": int((is_there & (kinds >= QUIRKS.index("empty"))).sum()),
        "items_repeated": int((kinds == TWICE).sum()),
        "bad_lines": bad,
    }
