"""Write synthetic raw files of any domain and size, and the ground truth that a reader must find in them.

    OUT/<ratings file> <meta file>      in the raw format
    OUT/truth/truth.json                counts of rows to find, reject, merge or mask, and of rows with a quirk; every
                                        bad line
    OUT/truth/users.parquet             each user's rows, and distinct items with and without a title
    OUT/truth/titles.parquet            each rated item's clean title, empty if it has none, and its categories

Files are written chunk by chunk: memory does not grow with the file, except for one byte an item.
"""

import json
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc_typed
import pyarrow.parquet as pq

from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.schema import CATEGORIES
from deeper.domains import BUILTIN, Domain
from deeper.errors import UserError, choose_from
from deeper.prepare.raw import reasons
from deeper.prepare.sources import Source, find_source
from deeper.prepare.synth.file_formats import FORMATS, FileFormat
from deeper.prepare.synth.file_lines import Columns
from deeper.prepare.synth.made_categories import clean_categories
from deeper.prepare.synth.made_titles import ABSENT, QUIRKS, draw_quirks, make_title
from deeper.prepare.synth.meta_file import bad_places, open_raw, write_meta
from deeper.prepare.synth.rating_events import Events, Shape, chunks, count_items, in_row_order
from deeper.storage.new_folder import new_folder

pc: Any = pc_typed
"""pyarrow.compute, whose stubs refuse plain values beside arrays."""

SHAPES = {
    "movielens": Shape(20, 48, 1.35, 730, 0.67),
    "amazon": Shape(5, 2.2, 1.35, 12, 0.82, exact_repeats=0.008, revised=0.002, seconds=86_400),
    "food_com": Shape(1, 0.8, 2.0, 5, 0.85, unrated=0.1, seconds=86_400),
    "google_local": Shape(10, 6, 1.2, 30, 0.82, exact_repeats=0.012, revised=0.001),
}
"""Distribution of ratings by family of data; lengths and repeats are those of the real files."""

BAD_LINE_REASONS = (
    reasons.UNREADABLE,
    reasons.RATING_OFF_SCALE,
    reasons.TIME_OUT_OF_RANGE,
    reasons.NO_USER,
    reasons.TIME_UNREADABLE,
    reasons.RATING_NOT_A_NUMBER,
    reasons.NO_ITEM,
)
"""What is wrong with the bad lines, in turn."""
BAD_LINES_PER_BAD_META_LINE = 3
FAR_FUTURE_SECONDS, LONG_AGO_SECONDS = 4_000_000_000, 100_000_000
"""Unix seconds of 2096 and 1973."""
TITLES = pa.schema([
    pa.field("item", pa.string(), nullable=False),
    pa.field("title", pa.string(), nullable=False),
    pa.field("categories", CATEGORIES, nullable=False),
])  # fmt: skip
USERS = pa.schema([pa.field("user", pa.string(), nullable=False)] + [
    pa.field(name, pa.int64(), nullable=False) for name in ("rows", "items", "titled")
])  # fmt: skip


@dataclass(frozen=True)
class SyntheticFiles:
    """The ground truth (truth.json) and the folder."""

    truth: dict[str, Any]
    folder: Path


def write_raw(
    domain_name: str, ratings: int, folder: Path, *, raw_format: str = "", seed: int = 1, bad_lines: int = 0
) -> SyntheticFiles:
    """Write synthetic raw files of a domain, and their ground truth.

    Args:
        domain_name: One of the ten domains.
        ratings: Readable lines of the ratings file, 1 or more.
        folder: An empty or new folder.
        raw_format: A format of the domain; its most common one by default.
        seed: Seed, 0 or more; the same arguments give the same files.
        bad_lines: Additional lines that a reader must reject; the meta file gets a third as many.

    Raises:
        UserError: The domain or its format is unknown, or the folder is not empty or cannot be written.
    """
    name, source = find_source(domain_name)
    raw_format = raw_format or source.formats[0]
    choices = [known for known in FORMATS if known.startswith(source.formats)]
    if raw_format not in choices:
        raise UserError(f"{name} has no raw format {raw_format!r}", do=choose_from(choices, raw_format))
    file_format, domain = FORMATS[raw_format], BUILTIN[name]
    shape = SHAPES[file_format.family]
    if not file_format.has_repeats:
        shape = replace(shape, exact_repeats=0.0, revised=0.0)
    quirks = draw_quirks(file_format.family, count_items(shape, ratings), seed)
    with new_folder(folder) as staging:
        (staging / "truth").mkdir()
        writer = _RatingsWriter(file_format, source, domain, quirks, staging, bad_places(ratings, bad_lines, [seed, 3]))
        with writer:
            for number, events in enumerate(chunks(shape, domain, ratings, seed)):
                writer.add(events, np.random.default_rng([seed, 4, number]))
        path = staging / file_format.meta_file.format(source.category)
        bad_meta_lines = bad_lines // BAD_LINES_PER_BAD_META_LINE
        meta = write_meta(file_format, path, quirks, bad_places(len(quirks), bad_meta_lines, [seed, 5]))
        truth: dict[str, Any] = {
            "domain": name,
            "format": raw_format,
            "seed": seed,
            "ratings": ratings,
            **writer.truth(),
            "meta": meta,
        }
        truth["bad_lines"] += meta.pop("bad_lines")
        (staging / "truth" / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", "utf-8")
    return SyntheticFiles(truth, folder)


class _RatingsWriter:
    """Writes the ratings file chunk by chunk and counts what is in it."""

    def __init__(
        self, file_format: FileFormat, source: Source, domain: Domain, quirks: Any, folder: Path, bad_places: list[int]
    ) -> None:
        self._format, self._domain, self._quirks, self._bad_places = file_format, domain, quirks, bad_places
        self._name = file_format.ratings_file.format(source.category)
        self._needed = source.windows * RECIPE.window_size
        labels = [f"{value:.1f}" if file_format.family in ("movielens", "amazon") else label
                  for value, label in zip(domain.scale.values.tolist(), domain.scale.labels, strict=True)]  # fmt: skip
        self._labels = pa.array(["0", *labels])
        self._row, self._line = 0, 1
        self._bad: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()
        self._quirky_rows: Counter[str] = Counter(dict.fromkeys(file_format.quirk_marks, 0))
        self._rated = np.zeros(len(quirks), bool)
        self._folder, self._stack = folder, ExitStack()

    def __enter__(self) -> None:
        self._out = self._stack.enter_context(open_raw(self._folder / self._name))
        self._users = self._stack.enter_context(pq.ParquetWriter(self._folder / "truth" / "users.parquet", USERS))
        self._write(self._format.ratings_header.encode())

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._line += data.count(b"\n")

    def add(self, events: Events, rng: np.random.Generator) -> None:
        """Write a chunk of whole users."""
        events = in_row_order(events, self._format.row_order, rng)
        columns = self._columns(events, rng)
        text = self._format.ratings_lines(columns)
        self._quirky_rows.update(
            {name: pc.sum(pc.match_substring(text, mark)).as_py() for name, mark in self._format.quirk_marks.items()}
        )
        start, end = self._row, self._row + len(text)
        places = [place for place in self._bad_places if start <= place < end]
        for low, high in zip([start, *places], [*places, end], strict=True):
            part = text.slice(low - start, high - low)
            self._write("".join(cast(list[str], part.to_pylist())).encode())
            if high < end or high in places:
                self._write_bad({name: column.slice(high - start, 1) for name, column in columns.items()})
        self._row = end
        self._count(events)

    def _columns(self, events: Events, rng: np.random.Generator) -> Columns:
        is_rated = self._domain.is_rated(events.ratings)
        label = np.where(is_rated, self._domain.scale.index(events.ratings) + 1, 0)
        return {
            "user": self._format.user_id(events.users),
            "item": self._format.item_id(events.items),
            "rating": self._labels.take(pa.array(label, pa.int64())),
            "time": self._format.time(events.times),
            "pick": pa.array(rng.integers(0, 1 << 20, len(events.users))),
        }

    def _write_bad(self, columns: Columns) -> None:
        reason = BAD_LINE_REASONS[len(self._bad) % len(BAD_LINE_REASONS)]
        wrong_seconds = FAR_FUTURE_SECONDS if len(self._bad) % 4 else LONG_AGO_SECONDS
        wrong: Columns = {
            reasons.RATING_OFF_SCALE: {"rating": pa.array(["9"])},
            reasons.RATING_NOT_A_NUMBER: {"rating": pa.array(['"good"' if self._format.is_json else "good"])},
            reasons.NO_USER: {"user": pa.array([""])},
            reasons.NO_ITEM: {"item": pa.array([""])},
            reasons.TIME_UNREADABLE: {"time": pa.array(["true" if self._format.is_json else "soon"])},
            reasons.TIME_OUT_OF_RANGE: {"time": self._format.time(np.array([wrong_seconds]))},
        }.get(reason, {})
        self._bad.append({"file": self._name, "line": self._line, "reason": reason})
        text = self._format.unreadable_line
        if wrong:
            text = self._format.ratings_lines({**columns, **wrong})[0].as_py()
        self._write(text.encode())

    def _count(self, events: Events) -> None:
        items = len(self._quirks)
        pairs = np.unique(events.users * items + events.items)
        same = np.stack([events.users, events.items, events.times, events.ratings])
        titled = self._quirks[pairs % items] < QUIRKS.index("empty")
        first = int(events.users.min())
        width = int(events.users.max()) - first + 1
        of_pair = pairs // items - first
        rows = {
            "rows": np.bincount(events.users - first, minlength=width),
            "items": np.bincount(of_pair, minlength=width),
            "titled": np.bincount(of_pair[titled], minlength=width),
        }
        ids = self._format.user_id(np.arange(first, first + width))
        self._users.write_table(pa.Table.from_pydict({"user": ids, **rows}, schema=USERS))
        self._rated[events.items] = True
        self._counts.update(
            users=width,
            repeats=len(events.users) - len(pairs),
            exact_repeats=len(events.users) - np.unique(same, axis=1).shape[1],
            unrated_rows=int((~self._domain.is_rated(events.ratings)).sum()),
            untitled_rows=int((~titled).sum()),
            long_users=int((rows["items"] >= self._needed).sum()),
            long_users_titled=int((rows["titled"] >= self._needed).sum()),
        )

    def truth(self) -> dict[str, Any]:
        """Write the titles of the rated items, and return the counts; called after the last chunk."""
        rated = np.flatnonzero(self._rated)
        with pq.ParquetWriter(self._folder / "truth" / "titles.parquet", TITLES) as out:
            for low in range(0, len(rated), 100_000):
                part = rated[low : low + 100_000]
                clean = [make_title(self._format.family, item, self._quirks[item]).clean for item in part.tolist()]
                ids = self._format.item_id(part)
                family, is_absent = self._format.family, self._quirks[part] == ABSENT
                categories = [
                    [] if absent else clean_categories(family, item)
                    for item, absent in zip(part.tolist(), is_absent, strict=True)
                ]
                columns = {"item": ids, "title": clean, "categories": categories}
                out.write_table(pa.Table.from_pydict(columns, schema=TITLES))
        counts = Counter(self._quirks[rated].tolist())
        return {
            **{name: int(count) for name, count in self._counts.items()},
            "items": len(rated),
            "quirks": {name: counts[number] for number, name in enumerate(QUIRKS) if counts[number]},
            "row_quirks": dict(self._quirky_rows),
            "bad_lines": self._bad,
        }
