"""Read the user's ratings file, which `--ratings` names; its columns may have any names.

Columns are found by common names. The scale is given, or inferred from the ratings. A row that cannot be read is left
out and counted with its reason. A `RatingsSummary` shows what was read before a run begins. Too many bad rows stop the
reading: then the whole file is probably the wrong one.
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

from deeper.behaviour.own.columns import check_clear, find_columns, listed, read_given
from deeper.behaviour.own.folder import cut_windows
from deeper.behaviour.own.rows import BadRow, Events, read_events
from deeper.behaviour.own.scale import SCALE_EXAMPLES, infer_scale, parse_scale, unclear_scale
from deeper.behaviour.own.table import OwnTable, open_table
from deeper.behaviour.own.text_rows import Unreadable
from deeper.behaviour.own.values import BadValue, parse_number
from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.windows import MIN_WINDOWS
from deeper.domains import BUILTIN, Domain, Scale
from deeper.errors import UserError

MAX_SKIPPED_SHARE = 0.1
"""Share of bad rows above which the reading stops."""
MAX_NOUN_CHARACTERS = 60
MAX_EXAMPLES = 3
"""Bad rows that are shown for each reason."""
MAX_DISTINCT_RATINGS = 10_000
"""Distinct ratings that are collected to infer a scale."""


@dataclass
class Skipped:
    """The number of rows left out for one reason, and the first few of them."""

    rows: int
    examples: list[str]


@dataclass(frozen=True)
class RatingsSummary:
    """What a ratings file holds.

    Attributes:
        path: The file.
        format: Its format, in words.
        columns: The column of each field.
        is_scale_given: Whether the user gave the scale; otherwise it was inferred from the ratings.
        rows: Rows read, including bad ones.
        skipped: Bad rows by reason, most frequent first.
        ratings: Ratings kept.
        users: Users with a rating.
        long_enough: Users with two windows: one to write a persona from, one to predict.
        items: Distinct items.
        histogram: Number of ratings at, or nearest to, each label of the scale.
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
    """The windows of one file.

    Attributes:
        windows: A `WINDOW` table of the users with at least two windows.
        domain: The domain, made of the item noun and the scale.
        notes: What was left out or mended, in words with counts.
        summary: What the file holds.
    """

    windows: pa.Table
    domain: Domain
    notes: list[str]
    summary: RatingsSummary


def read_ratings(path: Path, item: str = "item", scale: str = "", columns: Sequence[str] = ()) -> OwnRatings:
    """Read a file of ratings into windows; a hash of the user id decides the split.

    Args:
        path: CSV with any common separator, JSON lines or Parquet; optionally gzipped.
        item: What an item is called.
        scale: "MIN:MAX:STEP"; empty to infer it from the ratings.
        columns: "FIELD=COLUMN" for columns whose name does not show what they hold.

    Raises:
        UserError: The file cannot be read; a column or the scale is not clear; more than `MAX_SKIPPED_SHARE` of the
            rows are bad; or no user has two windows.
    """
    source = open_table(path)
    given = read_given(columns)
    found = find_columns(source.columns, given, item)
    check_clear(found, str(path), source.columns)
    domain = own_domain(item, parse_scale(scale) if scale else _infer_scale(source, found.of["rating"]))
    skipped: dict[str, Skipped] = {}

    def skip(bad: BadRow) -> None:
        same_reason = skipped.setdefault(bad.reason, Skipped(0, []))
        same_reason.rows += bad.rows
        if len(same_reason.examples) < MAX_EXAMPLES:
            same_reason.examples.append(f"{bad.where}: {bad.message}")

    try:
        events = read_events(source, found.of, lambda row, where: domain, skip)
    except UserError:
        if skipped:
            raise _too_many_bad_rows(path, skipped, sum(one.rows for one in skipped.values())) from None
        raise
    if sum(one.rows for one in skipped.values()) > MAX_SKIPPED_SHARE * events.rows:
        raise _too_many_bad_rows(path, skipped, events.rows)
    windows, short, users = cut_windows(events.table, path)
    ordered = dict(sorted(skipped.items(), key=lambda one: -one[1].rows))
    summary = replace(
        _summary(source, events, domain),
        columns=found.of,
        is_scale_given=bool(scale),
        skipped=ordered,
        long_enough=len(users),
    )
    notes = _notes(summary, short, source.columns, "time" in given)
    return OwnRatings(windows, domain, [*notes, *events.notes()], summary)


def own_domain(noun: str, scale: Scale) -> Domain:
    """Return the domain of the user's ratings file.

    Args:
        noun: What an item is called; the id is made from it.
        scale: The scale; ratings may lie between its values.

    Raises:
        UserError: The noun is empty, too long, or not one line of text.
    """
    if not (noun.strip() and noun.isprintable() and len(noun) <= MAX_NOUN_CHARACTERS):
        raise UserError(f"{noun!r:.80} cannot name an item", where="item", do="give one word or a few: --item movie")
    word = re.sub("[^a-z0-9]+", "_", noun.casefold()).strip("_")
    own = f"own_{word}".rstrip("_") if not word or word in BUILTIN or word.startswith("mean") else word
    return Domain(own, f"Own ratings: {noun.strip()}", noun.strip(), scale, between=True)


def _infer_scale(source: OwnTable, column: str) -> Scale:
    distinct: set[float] = set()
    for _, row in source.rows([column]):
        if isinstance(row, Unreadable):
            continue
        try:
            rating = parse_number(row[column])
        except BadValue:
            continue
        if np.isfinite(rating) and len(distinct) < MAX_DISTINCT_RATINGS:
            distinct.add(rating)
    scale = infer_scale(distinct)
    if scale is None:
        raise UserError(
            unclear_scale(distinct), where=f"{source.path}, column {column}", do=f"give it: {SCALE_EXAMPLES}"
        )
    return scale


def _summary(source: OwnTable, events: Events, domain: Domain) -> RatingsSummary:
    table, scale = events.table, domain.scale
    nearest = scale.index(table["rating"].to_numpy().astype(np.float64))
    counts = np.bincount(nearest, minlength=len(scale.values)).tolist()
    first, last = (pc.min_max(table["time"])[end].as_py() for end in ("min", "max"))
    return RatingsSummary(
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


def _notes(summary: RatingsSummary, short: int, header: Sequence[str], is_time_given: bool) -> list[str]:
    notes: list[str] = []
    if summary.skipped:
        reasons = ", ".join(f"{reason}: {one.rows}" for reason, one in summary.skipped.items())
        skipped = sum(one.rows for one in summary.skipped.values())
        notes.append(f"rows skipped: {skipped} of {summary.rows} ({reasons})")
    if summary.span is None:
        why = "" if is_time_given else f"no time column found among {listed(header)}; "
        how = "" if is_time_given else " (set one with --columns time=COLUMN)"
        notes.append(f"{why}the order of the rows is used{how}")
    if short:
        notes.append(
            f"users left out for fewer than {MIN_WINDOWS * RECIPE.window_size} ratings: {short} of {summary.users}"
        )
    return notes


def _too_many_bad_rows(path: Path, skipped: Mapping[str, Skipped], rows: int) -> UserError:
    reason, most = max(skipped.items(), key=lambda one: one[1].rows)
    hints: dict[str, Any] = {
        "the rating is off the scale": "give the scale of these ratings, as --scale MIN:MAX:STEP",
        "the rating is not a number": "name the column with the ratings, as --columns rating=COLUMN",
    }
    hint = hints.get(reason, "")
    if reason.startswith("the time"):
        hint = "write ISO 8601 or Unix seconds, or give --columns time= to use the order of the file"
    return UserError(
        f"{sum(one.rows for one in skipped.values())} of {rows} rows cannot be used, more than "
        f"{MAX_SKIPPED_SHARE:.0%}; most because {reason} ({most.rows})",
        where=f"{path}, {most.examples[0]}",
        do=hint or "correct or remove these rows",
    )
