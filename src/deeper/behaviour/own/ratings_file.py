"""One file of own ratings, with columns of any name: what `--ratings` takes.

Columns are found by their usual names, the scale is taken as given or seen in the ratings. A row that cannot be read
is left out and counted with its reason, and what was read is told in a `Look` before anything is done with it; too
many bad rows end the reading, because then something is wrong with the whole.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.own.columns import find_columns, is_clear, read_given
from deeper.behaviour.own.folder import cut
from deeper.behaviour.own.rows import Bad, Events, read_events
from deeper.behaviour.own.scale import EXAMPLES, parse_scale, see_scale, unseen_scale
from deeper.behaviour.own.table import OwnTable, open_table
from deeper.behaviour.own.text_rows import Unreadable
from deeper.behaviour.own.values import BadValue, parse_number
from deeper.behaviour.windows import MIN_WINDOWS, WINDOW_SIZE
from deeper.domains import BUILTIN, Domain, Scale
from deeper.errors import UserError

SKIPPED_SHARE = 0.1
"""Share of bad rows above which the reading ends."""
EXAMPLES_SHOWN = 3
DIFFERENT_RATINGS = 10_000
"""Different ratings that are looked at to see a scale."""


@dataclass
class Skipped:
    """Rows left out for one reason, and the first few of them."""

    rows: int
    examples: list[str]


@dataclass(frozen=True)
class Look:
    """What is in a file, for a first look.

    Attributes:
        path: The file.
        format: Its format, in words.
        columns: The column of each field.
        is_scale_given: Whether the user gave the scale; otherwise it was seen in the ratings.
        rows: Rows read, bad ones too.
        skipped: Bad rows by reason, most first.
        ratings: Ratings kept.
        users: Users with a rating.
        long_enough: Users with the two windows that a persona takes to be made and judged.
        items: Different items.
        histogram: Ratings on or nearest to each label of the scale.
        between: Ratings between the scale's values.
        span: The first and the last time; None without times.
    """

    path: Path
    format: str
    columns: Mapping[str, str]
    is_scale_given: bool
    rows: int
    skipped: Mapping[str, Skipped]
    ratings: int
    users: int
    long_enough: int
    items: int
    histogram: Mapping[str, int]
    between: int
    span: tuple[datetime, datetime] | None


@dataclass(frozen=True)
class OwnRatings:
    """One file's windows.

    Attributes:
        windows: A `WINDOW` table of the users with at least two windows.
        domain: The domain, made of the item noun and the scale.
        notes: What was left out or mended, in words with counts.
        look: What was read.
    """

    windows: pa.Table
    domain: Domain
    notes: list[str]
    look: Look


def read_ratings(path: Path, item: str = "item", scale: str = "", columns: Sequence[str] = ()) -> OwnRatings:
    """Read a file of ratings into windows; users are split by the hash of their id.

    Args:
        path: CSV with any usual separator, JSON lines or Parquet, or one of these in gzip.
        item: What an item is called.
        scale: "MIN:MAX:STEP"; empty to see it in the ratings.
        columns: "field=COLUMN" where a column cannot be found by its name.

    Raises:
        UserError: The file cannot be read; a column or the scale is not clear; above `SKIPPED_SHARE` of the rows are
            bad; or no user has two windows.
    """
    source = open_table(path)
    found = find_columns(source.columns, read_given(columns), item)
    is_clear(found, str(path), source.columns)
    domain = own_domain(item, parse_scale(scale) if scale else _see(source, found.of["rating"]))
    skipped: dict[str, Skipped] = {}

    def refuse(bad: Bad) -> None:
        one = skipped.setdefault(bad.kind, Skipped(0, []))
        one.rows += bad.rows
        if len(one.examples) < EXAMPLES_SHOWN:
            one.examples.append(f"{bad.where}: {bad.said}")

    try:
        events = read_events(source, found.of, lambda row, where: domain, refuse)
    except UserError:
        if skipped:
            raise _too_many(path, skipped, sum(one.rows for one in skipped.values())) from None
        raise
    if sum(one.rows for one in skipped.values()) > SKIPPED_SHARE * events.rows:
        raise _too_many(path, skipped, events.rows)
    windows, short, users = cut(events.table, path)
    ordered = dict(sorted(skipped.items(), key=lambda one: -one[1].rows))
    look = replace(
        _look(source, events, domain),
        columns=found.of,
        is_scale_given=bool(scale),
        skipped=ordered,
        long_enough=len(users),
    )
    return OwnRatings(windows, domain, [*_notes(look, short), *events.notes()], look)


def own_domain(noun: str, scale: Scale) -> Domain:
    """A domain of own ratings.

    Args:
        noun: What an item is called; gives the id.
        scale: The scale; ratings may lie between its values.

    Raises:
        UserError: The noun is no line of text.
    """
    if not (noun.strip() and noun.isprintable() and len(noun) <= 60):
        raise UserError(
            f"{noun!r:.80} is no name for an item", where="item", do="give one or a few words: --item movie"
        )
    word = re.sub("[^a-z0-9]+", "_", noun.casefold()).strip("_")
    own = f"own_{word}".rstrip("_") if not word or word in BUILTIN or word.startswith("mean") else word
    return Domain(own, f"Own ratings: {noun.strip()}", noun.strip(), scale, between=True)


def _see(source: OwnTable, column: str) -> Scale:
    """The scale that the ratings tell."""
    different: set[float] = set()
    for _, row in source.rows([column]):
        if isinstance(row, Unreadable):
            continue
        try:
            rating = parse_number(row[column])
        except BadValue:
            continue
        if np.isfinite(rating) and len(different) < DIFFERENT_RATINGS:
            different.add(rating)
    scale = see_scale(different)
    if scale is None:
        raise UserError(unseen_scale(different), where=f"{source.path}, column {column}", do=f"give it: {EXAMPLES}")
    return scale


def _look(source: OwnTable, events: Events, domain: Domain) -> Look:
    table, scale = events.table, domain.scale
    nearest = scale.index(table["rating"].to_numpy().astype(np.float64))
    counts = np.bincount(nearest, minlength=len(scale.values)).tolist()
    first, last = (pc.min_max(table["time"])[end].as_py() for end in ("min", "max"))
    return Look(
        path=source.path,
        format=source.format,
        columns={},
        is_scale_given=False,
        rows=events.rows,
        skipped={},
        ratings=table.num_rows,
        users=pc.count_distinct(table["user"]).as_py(),
        long_enough=0,
        items=pc.count_distinct(table["item"]).as_py(),
        histogram=dict(zip(scale.labels, counts, strict=True)),
        between=events.between,
        span=(first, last) if first else None,
    )


def _notes(look: Look, short: int) -> list[str]:
    notes: list[str] = []
    if look.skipped:
        reasons = ", ".join(f"{kind}: {one.rows}" for kind, one in look.skipped.items())
        notes.append(f"rows skipped: {sum(one.rows for one in look.skipped.values())} of {look.rows} ({reasons})")
    if look.span is None:
        notes.append("times: none in the file, so that its order is taken for the order of events")
    if short:
        notes.append(f"users left out for fewer than {MIN_WINDOWS * WINDOW_SIZE} ratings: {short} of {look.users}")
    return notes


def _too_many(path: Path, skipped: Mapping[str, Skipped], rows: int) -> UserError:
    kind, most = max(skipped.items(), key=lambda one: one[1].rows)
    hints: dict[str, Any] = {
        "the rating is off the scale": "give the scale that they are on, as --scale MIN:MAX:STEP",
        "the rating is no number": "name the column with the ratings, as --columns rating=COLUMN",
    }
    hint = hints.get(kind, "")
    if kind.startswith("the time"):
        hint = "write ISO 8601 or Unix seconds, or give --columns time= to take the order of the file"
    return UserError(
        f"{sum(one.rows for one in skipped.values())} of {rows} rows cannot be used, above {SKIPPED_SHARE:.0%}; most "
        f"because {kind} ({most.rows})",
        where=f"{path}, {most.examples[0]}",
        do=hint or "mend or remove these rows",
    )
