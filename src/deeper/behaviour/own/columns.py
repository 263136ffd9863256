"""Find which column of a ratings file holds what: by its name, by a common other name, or as the user says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deeper.errors import UserError, choose_from

FIELDS = ("user", "title", "rating", "time", "item")
"""Fields of a rating. Without `item` (an id), the title identifies the item; without `time`, rows are in time order."""
REQUIRED = ("user", "title", "rating")

COLUMN_NAMES: Mapping[str, Sequence[Sequence[str]]] = {
    "user": (
        ("user",),
        ("userid", "username"),
        ("reviewerid", "customerid", "memberid", "accountid", "profileid", "authorid", "uid"),
        ("reviewer", "customer", "member", "account", "profile", "author", "person"),
    ),
    "title": (
        ("title",),
        ("name", "itemtitle", "itemname", "producttitle", "productname", "movietitle", "moviename", "booktitle",
         "bookname", "recipename", "songtitle", "songname", "trackname", "gametitle", "gamename", "placename"),
        ("item", "movie", "film", "book", "product", "recipe", "song", "track", "game", "place", "show", "album"),
    ),
    "rating": (
        ("rating",),
        ("ratings", "stars", "star", "score", "overall", "userrating", "yourrating", "reviewrating", "starrating"),
        ("grade", "vote", "points", "liked", "like", "thumb", "thumbs", "value"),
    ),
    "time": (
        ("time",),
        ("timestamp", "datetime", "unixreviewtime", "unixtime", "createdat", "ratedat", "reviewedat", "updatedat"),
        ("date", "ratingdate", "daterated", "reviewdate", "reviewtime", "dateadded", "watcheddate", "submitted"),
    ),
    "item": (
        ("item",),
        ("itemid", "movieid", "filmid", "bookid", "productid", "recipeid", "songid", "trackid", "gameid", "placeid"),
        ("parentasin", "asin", "isbn", "isbn13", "gmapid", "businessid", "iid"),
    ),
}  # fmt: skip
"""Common names of each field's column, without case and punctuation; names in earlier groups are preferred."""


@dataclass(frozen=True)
class Columns:
    """The columns of a file.

    Attributes:
        of: The column of each field that has one.
        unclear: For each field without a clear column, the columns that may hold it: several, or none.
    """

    of: Mapping[str, str]
    unclear: Mapping[str, Sequence[str]]


def find_columns(header: Sequence[str], given: Mapping[str, str], noun: str = "") -> Columns:
    """Find the column of each field.

    Args:
        header: The names of all columns.
        given: Columns that the user has named, by field; "" means that the file has none.
        noun: What an item is called; the title's column may have this name.

    Raises:
        UserError: A named field or column does not exist, or two fields have the same column.
    """
    if unknown := [name for name in given if name not in FIELDS]:
        raise UserError(f"there is no field {', '.join(unknown)}", where="columns", do=choose_from(FIELDS, *unknown))
    if absent := [name for name in given.values() if name and name not in header]:
        raise UserError(
            f"the file has no column {', '.join(map(repr, absent))}",
            where="columns",
            do=f"choose from {listed(header)}",
        )
    named = [name for name in given.values() if name]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise UserError(f"{twice[0]!r} is given for two fields", where="columns", do="name one column for each")
    of = {field: name for field, name in given.items() if name}
    unclear: dict[str, Sequence[str]] = {}
    for field in FIELDS:
        if field not in given:
            free = [name for name in header if name and name not in of.values()]
            found = _candidates(field, free, noun)
            if len(found) == 1:
                of[field] = found[0]
            elif found or field in REQUIRED:
                unclear[field] = found
    return Columns(of, unclear)


def read_given(columns: Sequence[str]) -> dict[str, str]:
    """Return the columns by field from texts such as "user=reviewerID".

    Raises:
        UserError: A text has another form, or a field is named twice.
    """
    given: dict[str, str] = {}
    for pair in columns:
        field, equals, name = pair.partition("=")
        if not equals or field.strip() in given:
            raise UserError(
                f"{pair!r} is not FIELD=COLUMN, or names a field twice",
                where="columns",
                do="write FIELD=COLUMN pairs separated by commas: user=reviewerID,title=name",
            )
        given[field.strip()] = name.strip()
    return given


def check_clear(columns: Columns, where: str, header: Sequence[str]) -> None:
    """Refuse a file in which a field has no clear column.

    Raises:
        UserError: A field has none; the message names the fields, and the flag that sets their columns.
    """
    if not columns.unclear:
        return
    problems = [f"the {field} can be in {listed(names)}" for field, names in columns.unclear.items() if names]
    if missing := [f"the {field}" for field, names in columns.unclear.items() if not names]:
        *others, last = missing
        all_of_them = f"{', '.join(others)} or {last}" if others else last
        problems.append(f"no column seems to hold {all_of_them}")
    flag = ",".join(f"{field}=COLUMN" for field in columns.unclear)
    raise UserError("; ".join(problems), where=where, do=f"give --columns {flag} (found: {listed(header)})")


def _candidates(field: str, names: Sequence[str], noun: str) -> list[str]:
    """The columns with a name of the field's first group that has any."""
    letters = {name: _letters(name) for name in names}
    noun_titles = [_letters(f"{noun} {word}") for word in ("title", "name")] if noun else []
    for rank, group in enumerate(COLUMN_NAMES[field]):
        of_noun = {1: noun_titles, 2: [_letters(noun)] if noun else []}.get(rank, []) if field == "title" else []
        if found := [name for name in names if letters[name] and letters[name] in (*group, *of_noun)]:
            return found
    return []


def _letters(name: str) -> str:
    """A name in lower case, without punctuation and blanks."""
    return re.sub(r"[\W_]+", "", name.casefold())


def listed(names: Sequence[str], max_names: int = 20) -> str:
    """Return the first `max_names` names for a message, long ones shortened."""
    shown = ", ".join(name if len(name) <= 40 else f"{name[:40]}…" for name in names[:max_names])
    return f"{shown}, …" if len(names) > max_names else shown or "none"
