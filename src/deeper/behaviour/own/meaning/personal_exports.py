"""The exports that sites give to one person: their columns and their scales.

They name no user, because they hold one person's ratings. Many hold items that the person has not rated, and the
average rating of all people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deeper.behaviour.own.columns import COLUMN_NAMES, letters
from deeper.domains import Scale


@dataclass(frozen=True)
class PersonalExport:
    """The export of one site. Columns are named in lower case, without punctuation and blanks.

    Attributes:
        site: The site's name.
        marks: Columns that only this export has together.
        scale: The scale of its ratings.
        columns: For some fields, the columns in order of preference. Others are found by their common names.
    """

    site: str
    marks: Sequence[str]
    scale: Scale
    columns: Mapping[str, Sequence[str]]


EXPORTS = (
    PersonalExport(
        "Letterboxd",
        ("letterboxduri", "rating"),
        Scale(0.5, 5, 0.5),
        {"title": ("name",), "time": ("watcheddate", "date"), "item": ("letterboxduri",)},
    ),
    PersonalExport("IMDb", ("const", "yourrating"), Scale(1, 10, 1), {"time": ("daterated",), "item": ("const",)}),
    PersonalExport("TMDB", ("tmdbid", "yourrating"), Scale(0.5, 10, 0.5), {"item": ("tmdbid",)}),
    # The day of reading is often blank, the day on which the book was added never.
    PersonalExport("Goodreads", ("bookid", "myrating", "exclusiveshelf"), Scale(1, 5, 1), {"time": ("dateadded",)}),
    PersonalExport(
        "StoryGraph",
        ("starrating", "readstatus", "isbnuid"),
        Scale(0.25, 5, 0.25),
        {"time": ("dateadded",), "item": ("isbnuid",)},
    ),
    PersonalExport(
        "Trakt",
        ("ratedat", "traktrating", "traktid"),
        Scale(1, 10, 1),
        {"title": ("title",), "time": ("ratedat",), "item": ("traktid",)},
    ),
    # As JSON, films and series in files of their own.
    *(
        PersonalExport("Trakt", ("ratedat", f"{kind}idstrakt"), Scale(1, 10, 1), {"item": (f"{kind}idstrakt",)})
        for kind in ("movie", "show")
    ),
    PersonalExport(
        "MovieLens", ("movieid", "imdbid", "tmdbid", "averagerating"), Scale(0.5, 5, 0.5), {"item": ("movieid",)}
    ),
    PersonalExport("Rate Your Music", ("rymalbum",), Scale(1, 10, 1), {"title": ("title",), "item": ("rymalbum",)}),
    PersonalExport("BoardGameGeek", ("objectname", "objectid", "baverage"), Scale(1, 10, 0.5), {"item": ("objectid",)}),
    PersonalExport("Vivino", ("winery", "winename", "yourrating"), Scale(1, 5, 0.5), {"time": ("scandate",)}),
    PersonalExport("Google Maps", ("fivestarratingpublished", "locationname"), Scale(1, 5, 1), {}),
    PersonalExport("Untappd", ("beername", "ratingscore", "bid"), Scale(0.25, 5, 0.25), {"item": ("bid",)}),
)


def recognise(header: Sequence[str]) -> PersonalExport | None:
    """Return the export that has these columns; None if no known one has them, or if a column names the user."""
    names = {letters(name) for name in header}
    if any(name in names for group in COLUMN_NAMES["user"] for name in group):
        return None
    return next((export for export in EXPORTS if names.issuperset(export.marks)), None)


def export_columns(export: PersonalExport, header: Sequence[str]) -> dict[str, str]:
    """Return the columns that an export has for some fields; `user` has none."""
    by_letters = {letters(name): name for name in reversed(header)}
    found = {
        field: next((by_letters[name] for name in names if name in by_letters), None)
        for field, names in export.columns.items()
    }
    return {"user": "", **{field: name for field, name in found.items() if name is not None}}
