"""Write the synthetic meta file of a raw format: the items' rows, with bad lines among them."""

import gzip
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from deeper.prepare.raw import reasons
from deeper.prepare.synth.file_formats import FileFormat
from deeper.prepare.synth.made_titles import ABSENT, QUIRKS, TWICE, make_title

CHUNK_ITEMS = 50_000


def open_raw(path: Path) -> BinaryIO:
    """Open a raw file for writing, compressed if it ends in .gz; the compressed bytes do not depend on the clock."""
    return cast(BinaryIO, gzip.GzipFile(path, "wb", 1, mtime=0) if path.suffix == ".gz" else path.open("wb"))


def bad_places(rows: int, count: int, stream: Sequence[int]) -> list[int]:
    """Draw the row numbers before which a bad line stands, ascending.

    Args:
        rows: Rows of the file.
        count: Number of bad lines; at most one a row.
        stream: Seed.
    """
    return sorted(np.random.default_rng(stream).choice(rows, min(count, rows), replace=False).tolist())


def write_meta(file_format: FileFormat, path: Path, quirks: NDArray[np.uint8], places: Sequence[int]) -> dict[str, Any]:
    """Write the meta file chunk by chunk.

    Args:
        file_format: The raw format.
        path: The meta file.
        quirks: Quirk of each item; shape (items,).
        places: Items before which a bad line stands, ascending.

    Returns:
        Counts of what a reader must find: `items`, `items_untitled`, `items_repeated` (rows beyond an item's first);
        and `bad_lines`, each with file, line and reason.
    """
    bad: list[dict[str, Any]] = []
    bad_at, line = set(places), 1 + file_format.meta_header.count("\n")
    with open_raw(path) as out:
        out.write(file_format.meta_header.encode())
        for low in range(0, len(quirks), CHUNK_ITEMS):
            numbers = np.arange(low, min(low + CHUNK_ITEMS, len(quirks)))
            text = io.StringIO()
            ids = cast(list[str], file_format.item_id(numbers).to_pylist())
            for item, name in zip(numbers.tolist(), ids, strict=True):
                rows = list[str]()
                if item in bad_at:
                    is_cut = len(bad) % 2 == 0
                    reason = reasons.UNREADABLE if is_cut else reasons.NO_ITEM
                    bad.append({"file": path.name, "line": line, "reason": reason})
                    without_id = file_format.meta_line("", "A title of nothing", item)
                    rows.append(file_format.unreadable_line if is_cut else without_id)
                if quirks[item] != ABSENT:
                    row = file_format.meta_line(name, make_title(file_format.family, item, quirks[item]).raw, item)
                    rows += [row] * (2 if quirks[item] == TWICE else 1)
                line += sum(row.count("\n") for row in rows)
                text.writelines(rows)
            out.write(text.getvalue().encode())
    is_present = quirks != ABSENT
    return {
        "items": int(is_present.sum()),
        "items_untitled": int((is_present & (quirks >= QUIRKS.index("empty"))).sum()),
        "items_repeated": int((quirks == TWICE).sum()),
        "bad_lines": bad,
    }
