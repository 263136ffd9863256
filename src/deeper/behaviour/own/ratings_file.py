"""Read the user's ratings file, which `--ratings` names; its columns may have any names.

Columns are found by common names and judged by their values. The scale is given, known for the export of a site, or
inferred from the ratings. Rows without a rating are left out and counted. A row that cannot be read is left out too,
and counted with its reason. A `RatingsSummary` shows what was read before a run begins. Too many bad rows stop the
reading: then the whole file is probably the wrong one.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.own.columns import NO_NOUN, Columns, check_clear, listed, read_given
from deeper.behaviour.own.folder import cut_windows
from deeper.behaviour.own.meaning.choose_scale import NO_NUMBER, choose_scale
from deeper.behaviour.own.meaning.column_values import understand
from deeper.behaviour.own.meaning.personal_exports import PersonalExport, recognise
from deeper.behaviour.own.meaning.unrated import unrated_mark
from deeper.behaviour.own.rows import BadRow, Events, NoRatings, read_events
from deeper.behaviour.own.table import OwnTable, handed_table, open_table
from deeper.behaviour.own.text.nested import flattened
from deeper.behaviour.own.text_rows import Unreadable
from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.windows import MIN_WINDOWS
from deeper.domains import BUILTIN, Domain, Scale
from deeper.errors import UserError

MAX_SKIPPED_SHARE = 0.1
"""Share of bad rows above which the reading stops."""
MAX_NOUN_CHARACTERS = 60
MAX_EXAMPLES = 3
"""Bad rows that are shown for each reason."""
ROWS_SHOWN = 2
"""Ratings that a first look shows."""


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
        columns: The column of each field. Without `user`, one person gave all ratings.
        first: The first ratings as they were understood: user, title, categories, rating, and time if there is one.
        scale_origin: Where the scale comes from, in words.
        rows: Rows read, including bad ones and those without a rating.
        unrated: Rows without a rating, by how the file says so ("blank", "0").
        skipped: Bad rows by reason, most frequent first.
        ratings: Ratings kept.
        repeated: Exact repeats, merged.
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
    first: Sequence[tuple[str, str, Sequence[str], float, datetime | None]]
    scale_origin: str
    rows: int
    unrated: Mapping[str, int]
    skipped: Mapping[str, Skipped]
    ratings: int
    repeated: int
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


def read_ratings(
    ratings: Path | str | Any,
    item: str = NO_NOUN,
    scale: str = "",
    columns: Sequence[str] = (),
    encoding: str = "",
    unrated: Collection[float] = (),
) -> OwnRatings:
    """Read ratings into windows; a hash of the user id decides the split.

    Args:
        ratings: The path of a file: CSV with any common separator, JSON or Parquet; optionally gzipped. Or a data
            frame (pandas, Polars) or an Arrow table.
        item: What an item is called.
        scale: "MIN:MAX:STEP"; empty to take that of the site that exported the file, or to infer it from the ratings.
        columns: "FIELD=COLUMN" for columns whose name does not show what they hold; without a header their numbers.
            "user=" if one person gave all ratings.
        encoding: The encoding of a text file; empty for UTF-8, or what its byte order mark says.
        unrated: Ratings that mean "not rated", such as 0 on a scale of 1 to 5.

    Raises:
        UserError: The file cannot be read; a column or the scale is not clear; more than `MAX_SKIPPED_SHARE` of the
            rows are bad; or no user has two windows.
    """
    is_file = isinstance(ratings, str | Path)
    source = flattened(open_table(Path(ratings), encoding) if is_file else handed_table(ratings))
    path, given = source.path, read_given(columns)
    if not source.has_header and not given:
        raise _no_header(source)
    found = understand(source, given, item)
    check_clear(found, str(path), source.columns)
    source.check_unique(found.of.values())
    export = recognise(source.columns)
    chosen, origin = choose_scale(source, found.of["rating"], scale, unrated, export)
    domain = own_domain(item, chosen)
    skipped: dict[str, Skipped] = {}

    def skip(bad: BadRow) -> None:
        same_reason = skipped.setdefault(bad.reason, Skipped(0, []))
        same_reason.rows += bad.rows
        if len(same_reason.examples) < MAX_EXAMPLES:
            same_reason.examples.append(f"{bad.where}: {bad.message}")

    try:
        mark = partial(unrated_mark, scale=chosen, given=unrated)
        events = read_events(source, found.of, lambda row, where: domain, skip, mark)
    except NoRatings:
        if skipped:
            raise _too_many_bad_rows(path, skipped, sum(one.rows for one in skipped.values())) from None
        raise
    rated = events.rows - sum(events.unrated.values())
    if sum(one.rows for one in skipped.values()) > MAX_SKIPPED_SHARE * rated:
        raise _too_many_bad_rows(path, skipped, rated)
    windows, short, users = cut_windows(events.table, path)
    ordered = dict(sorted(skipped.items(), key=lambda one: -one[1].rows))
    summary = replace(
        _summary(source, events, domain),
        columns=found.of,
        scale_origin=origin,
        skipped=ordered,
        long_enough=len(users),
    )
    notes = [*_one_person(found, given, export), *_notes(summary, short, source.columns, "time" in given)]
    if "categories" not in found.of:
        how = "set a column with --columns categories=COLUMN"
        notes += [f"{reason} ({how})" for reason in found.rejected.get("categories", ())]
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


def _summary(source: OwnTable, events: Events, domain: Domain) -> RatingsSummary:
    table, scale = events.table, domain.scale
    nearest = scale.index(table["rating"].to_numpy().astype(np.float64))
    counts = np.bincount(nearest, minlength=len(scale.values)).tolist()
    head = table.slice(0, ROWS_SHOWN).to_pylist()
    first, last = (pc.min_max(table["time"])[end].as_py() for end in ("min", "max"))
    return RatingsSummary(
        path=source.path,
        format=source.format,
        columns={},
        first=[tuple(row[name] for name in ("user", "title", "categories", "rating", "time")) for row in head],
        scale_origin="",
        rows=events.rows,
        unrated=events.unrated,
        skipped={},
        ratings=table.num_rows,
        repeated=events.repeated,
        users=pc.count_distinct(table["user"]).as_py(),
        long_enough=0,
        items=pc.count_distinct(table["item"]).as_py(),
        histogram=dict(zip(scale.labels, counts, strict=True)),
        between=events.between,
        span=(first, last) if first else None,
    )


def _one_person(found: Columns, given: Mapping[str, str], export: PersonalExport | None) -> list[str]:
    """The note on a file without a column for the user."""
    if "user" in found.of:
        return []
    if export is not None:
        return [f"this is an export of {export.site}: all ratings are read as one person's"]
    if "user" in given:
        return ["all ratings are read as one person's"]
    return ["no column names the user: all ratings are read as one person's (set one with --columns user=COLUMN)"]


def _notes(summary: RatingsSummary, short: int, header: Sequence[str], is_time_given: bool) -> list[str]:
    notes: list[str] = []
    if summary.skipped:
        reasons = ", ".join(f"{reason}: {one.rows}" for reason, one in summary.skipped.items())
        skipped = sum(one.rows for one in summary.skipped.values())
        notes.append(f"rows skipped: {skipped} of {summary.rows} ({reasons})")
    if summary.span is None:
        why = "" if is_time_given else f"no time column found among {listed(header)}; "
        how = "" if is_time_given else " (set one with --columns time=COLUMN)"
        notes.append(f"{why}the order of the rows is used, oldest first{how}")
    if short:
        notes.append(
            f"users left out for fewer than {MIN_WINDOWS * RECIPE.window_size} ratings: {short} of {summary.users}"
        )
    return notes


def _no_header(source: OwnTable) -> UserError:
    row = next((row for _, row in source.rows(source.columns) if not isinstance(row, Unreadable)), {})
    first = listed([f"{number}: {cell}" for number, cell in row.items()])
    return UserError(
        f"the file has no header; its first row is {first}",
        where=str(source.path),
        do="name the columns by their numbers, as --columns user=1,title=2,rating=3,time=4",
    )


def _too_many_bad_rows(path: Path, skipped: Mapping[str, Skipped], rows: int) -> UserError:
    reason, most = max(skipped.items(), key=lambda one: one[1].rows)
    hints: dict[str, Any] = {
        "the rating is off the scale": "give the scale of these ratings, as --scale MIN:MAX:STEP",
        "the rating is not a number": NO_NUMBER,
    }
    hint = hints.get(reason, "")
    if reason.startswith("the time"):
        hint = "write dates as 2023-05-31; or give --columns time= if the rows are in order, oldest first"
    return UserError(
        f"{sum(one.rows for one in skipped.values())} of {rows} rows cannot be used, more than "
        f"{MAX_SKIPPED_SHARE:.0%}; most because {reason} ({most.rows})",
        where=f"{path}, {most.examples[0]}",
        do=hint or "correct or remove these rows",
    )
