"""Made-up raw files of any domain and size, and the truth of what a reader must find in them.

    OUT/<ratings file> <meta file>      in the raw format
    OUT/truth/truth.json                counts of all that must be found, rejected, merged or masked, and of rows
                                        with a quirk; every bad line
    OUT/truth/users.parquet             each user's rows, and distinct items with and without a title
    OUT/truth/titles.parquet            each rated item's clean title; empty if it has none

Everything is made chunk by chunk: memory does not grow with the file, but for one byte an item.
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

from deeper.behaviour.windows import WINDOW_SIZE
from deeper.domains import BUILTIN, Domain
from deeper.errors import UserError
from deeper.prepare.raw import reasons
from deeper.prepare.sources import Source, find_source
from deeper.prepare.synth.file_formats import FORMATS, Lines
from deeper.prepare.synth.lines import Columns
from deeper.prepare.synth.made_titles import QUIRKS, make_title, quirks
from deeper.prepare.synth.meta_file import bad_places, open_raw, write_meta
from deeper.prepare.synth.rating_events import Events, Shape, arranged, chunks, count_items
from deeper.storage.new_folder import new_folder

pc: Any = pc_typed
"""pyarrow.compute, whose stubs refuse plain values beside arrays."""

SHAPES = {
    "movielens": Shape(20, 48, 1.35, 730, 0.67),
    "amazon": Shape(5, 2.2, 1.35, 12, 0.82, exact_repeats=0.008, revised=0.002, seconds=86_400),
    "food_com": Shape(1, 0.8, 2.0, 5, 0.85, unrated=0.1, seconds=86_400),
    "google_local": Shape(10, 6, 1.2, 30, 0.82, exact_repeats=0.012, revised=0.001),
}
"""How ratings are spread, by kind of data; lengths and repeats after the real files."""

BAD = (
    reasons.UNREADABLE, reasons.OFF_SCALE, reasons.TIME_RANGE, reasons.NO_USER, reasons.TIME, reasons.RATING,
    reasons.NO_ITEM,
)  # fmt: skip
"""What is wrong with bad lines, in turn."""
BAD_META = 3
"""Bad lines of the ratings file for each one of the meta file."""
FAR_FUTURE, LONG_AGO = 4_000_000_000, 100_000_000
TITLES = pa.schema([pa.field("item", pa.string(), nullable=False), pa.field("title", pa.string(), nullable=False)])
USERS = pa.schema([pa.field("user", pa.string(), nullable=False)] + [
    pa.field(name, pa.int64(), nullable=False) for name in ("rows", "items", "titled")
])  # fmt: skip


@dataclass(frozen=True)
class Made:
    """What was made: the truth (truth.json) and the folder."""

    truth: dict[str, Any]
    folder: Path


def write_raw(
    domain_name: str, ratings: int, folder: Path, *, raw_format: str = "", seed: int = 1, bad_lines: int = 0
) -> Made:
    """Write raw-shaped files of a domain, and their truth.

    Args:
        domain_name: One of the ten domains.
        ratings: Readable lines of the ratings file, 1 or more.
        folder: A folder that is empty or not there yet.
        raw_format: A format that the domain comes in; the commonest by default.
        seed: Seed, 0 or more; the same arguments give the same files.
        bad_lines: Lines that must be rejected, beside them; the meta file has a third as many.

    Raises:
        UserError: The domain or its format is unknown, or the folder holds something or cannot be written.
    """
    name, source = find_source(domain_name)
    raw_format = raw_format or source.formats[0]
    made = [known for known in FORMATS if known.startswith(source.formats)]
    if raw_format not in made:
        raise UserError(f"{name} is not made in the format {raw_format!r}", do=f"choose from {', '.join(made)}")
    lines, domain = FORMATS[raw_format], BUILTIN[name]
    shape = SHAPES[lines.kind] if lines.repeats else replace(SHAPES[lines.kind], exact_repeats=0.0, revised=0.0)
    kinds = quirks(lines.kind, count_items(shape, ratings), seed)
    with new_folder(folder) as staging:
        (staging / "truth").mkdir()
        writer = _Ratings(lines, source, domain, kinds, staging, bad_places(ratings, bad_lines, [seed, 3]))
        with writer:
            for number, events in enumerate(chunks(shape, domain, ratings, seed)):
                writer.add(events, np.random.default_rng([seed, 4, number]))
        path = staging / lines.meta.format(source.category)
        meta = write_meta(lines, path, kinds, bad_places(len(kinds), bad_lines // BAD_META, [seed, 5]))
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
    return Made(truth, folder)


class _Ratings:
    """Writes the ratings file chunk by chunk and keeps count of what is in it."""

    def __init__(
        self, lines: Lines, source: Source, domain: Domain, kinds: Any, folder: Path, bad_places: list[int]
    ) -> None:
        self._lines, self._domain, self._kinds, self._bad_places = lines, domain, kinds, bad_places
        self._name = lines.ratings.format(source.category)
        self._needed = source.windows * WINDOW_SIZE
        labels = [f"{value:.1f}" if lines.kind in ("movielens", "amazon") else label
                  for value, label in zip(domain.scale.values.tolist(), domain.scale.labels, strict=True)]  # fmt: skip
        self._labels = pa.array(["0", *labels])
        self._row, self._line = 0, 1
        self._bad: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()
        self._marked: Counter[str] = Counter(dict.fromkeys(lines.marks, 0))
        self._rated = np.zeros(len(kinds), bool)
        self._folder, self._stack = folder, ExitStack()

    def __enter__(self) -> None:
        self._out = self._stack.enter_context(open_raw(self._folder / self._name))
        self._users = self._stack.enter_context(pq.ParquetWriter(self._folder / "truth" / "users.parquet", USERS))
        self._write(self._lines.header.encode())

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._line += data.count(b"\n")

    def add(self, events: Events, rng: np.random.Generator) -> None:
        """Write a chunk of whole users."""
        events = arranged(events, self._lines.order, rng)
        columns = self._columns(events, rng)
        text = self._lines.lines(columns)
        self._marked.update(
            {name: pc.sum(pc.match_substring(text, mark)).as_py() for name, mark in self._lines.marks.items()}
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
        user_id, item_id = self._lines.ids
        is_rated = self._domain.is_rated(events.ratings)
        label = np.where(is_rated, self._domain.scale.index(events.ratings) + 1, 0)
        return {
            "user": user_id(events.users),
            "item": item_id(events.items),
            "rating": self._labels.take(pa.array(label, pa.int64())),
            "time": self._lines.time(events.times),
            "pick": pa.array(rng.integers(0, 1 << 20, len(events.users))),
        }

    def _write_bad(self, columns: Columns) -> None:
        reason = BAD[len(self._bad) % len(BAD)]
        wrong: Columns = {
            reasons.OFF_SCALE: {"rating": pa.array(["9"])},
            reasons.RATING: {"rating": pa.array(['"good"' if self._lines.is_json else "good"])},
            reasons.NO_USER: {"user": pa.array([""])},
            reasons.NO_ITEM: {"item": pa.array([""])},
            reasons.TIME: {"time": pa.array(["true" if self._lines.is_json else "soon"])},
            reasons.TIME_RANGE: {"time": self._lines.time(np.array([FAR_FUTURE if len(self._bad) % 4 else LONG_AGO]))},
        }.get(reason, {})
        self._bad.append({"file": self._name, "line": self._line, "reason": reason})
        text = self._lines.lines({**columns, **wrong})[0].as_py() if wrong else self._lines.unreadable
        self._write(text.encode())

    def _count(self, events: Events) -> None:
        items = len(self._kinds)
        pairs = np.unique(events.users * items + events.items)
        same = np.stack([events.users, events.items, events.times, events.ratings])
        titled = self._kinds[pairs % items] < QUIRKS.index("empty")
        first = int(events.users.min())
        width = int(events.users.max()) - first + 1
        of_pair = pairs // items - first
        rows = {
            "rows": np.bincount(events.users - first, minlength=width),
            "items": np.bincount(of_pair, minlength=width),
            "titled": np.bincount(of_pair[titled], minlength=width),
        }
        ids = self._lines.ids[0](np.arange(first, first + width))
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
        """The counts, after the last chunk; writes the titles of rated items."""
        rated = np.flatnonzero(self._rated)
        item_id = self._lines.ids[1]
        with pq.ParquetWriter(self._folder / "truth" / "titles.parquet", TITLES) as out:
            for low in range(0, len(rated), 100_000):
                part = rated[low : low + 100_000]
                clean = [make_title(self._lines.kind, item, self._kinds[item]).clean for item in part.tolist()]
                out.write_table(pa.Table.from_pydict({"item": item_id(part), "title": clean}, schema=TITLES))
        kinds = Counter(self._kinds[rated].tolist())
        return {
            **{name: int(count) for name, count in self._counts.items()},
            "items": len(rated),
            "quirks": {name: kinds[number] for number, name in enumerate(QUIRKS) if kinds[number]},
            "row_quirks": dict(self._marked),
            "bad_lines": self._bad,
        }
