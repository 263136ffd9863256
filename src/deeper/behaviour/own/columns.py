"""Which column of a file of ratings is which: by name, by usual other names, or as the user says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deeper.errors import UserError

FIELDS = ("user", "title", "rating", "time", "item")
"""What a file of ratings can say. Without `item` (an id), the title is the item; without `time`, rows are in order."""
REQUIRED = ("user", "title", "rating")

NAMES: Mapping[str, Sequence[Sequence[str]]] = {
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
"""Usual names of each field's column, without case and punctuation; earlier ones are preferred."""


@dataclass(frozen=True)
class Columns:
    """What was found.

    Attributes:
        of: The column of each field that has one.
        unclear: For each field without a clear column, the columns that may be it: several, or none.
    """

    of: Mapping[str, str]
    unclear: Mapping[str, Sequence[str]]


def find_columns(header: Sequence[str], given: Mapping[str, str], noun: str = "") -> Columns:
    """Find the column of each field.

    Args:
        header: The names of all columns.
        given: Columns by field that the user has named; "" says that there is none.
        noun: What an item is called: it may stand for the title's column.

    Raises:
        UserError: A named field or column is not there, or two fields have one column.
    """
    if unknown := [name for name in given if name not in FIELDS]:
        raise UserError(f"there is no field {', '.join(unknown)}", where="columns", do=f"name {', '.join(FIELDS)}")
    if absent := [name for name in given.values() if name and name not in header]:
        raise UserError(
            f"the file has no column {', '.join(map(repr, absent))}", where="columns", do=f"choose from {_list(header)}"
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
    """Columns by field, of "user=reviewerID" and the like.

    Raises:
        UserError: One of them is written otherwise, or a field is named twice.
    """
    given: dict[str, str] = {}
    for pair in columns:
        field, equals, name = pair.partition("=")
        if not equals or field.strip() in given:
            raise UserError(
                f"{pair!r} does not name a field and its column, or names a field again",
                where="columns",
                do="write field=COLUMN pairs with commas between: user=reviewerID,title=name",
            )
        given[field.strip()] = name.strip()
    return given


def is_clear(columns: Columns, where: str, header: Sequence[str]) -> None:
    """Refuse columns that are not clear.

    Raises:
        UserError: It says which fields, and which flag names their columns.
    """
    if not columns.unclear:
        return
    said = [
        f"the {field} can be in {_list(names)}" if names else f"no column seems to hold the {field}"
        for field, names in columns.unclear.items()
    ]
    flag = ",".join(f"{field}=COLUMN" for field in columns.unclear)
    raise UserError("; ".join(said), where=where, do=f"give --columns {flag} (found: {_list(header)})")


def _candidates(field: str, names: Sequence[str], noun: str) -> list[str]:
    """The columns of the first names of a field that are there."""
    plain = {name: _plain(name) for name in names}
    own = [_plain(f"{noun} {word}") for word in ("title", "name")] if noun else []
    for rank, usual in enumerate(NAMES[field]):
        more = {1: own, 2: [_plain(noun)] if noun else []}.get(rank, []) if field == "title" else []
        if found := [name for name in names if plain[name] and plain[name] in (*usual, *more)]:
            return found
    return []


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _list(names: Sequence[str], most: int = 20) -> str:
    shown = ", ".join(name if len(name) <= 40 else f"{name[:40]}…" for name in names[:most])
    return f"{shown}, …" if len(names) > most else shown or "none"
