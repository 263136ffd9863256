"""Find which column of a ratings file holds what: by its name, by a common other name, or as the user says.

`column_values` then judges what was found by the values.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from deeper.errors import UserError, choose_from

FIELDS = ("user", "title", "rating", "time", "item", "categories")
"""Fields of a rating. Without `user`, one person gave all ratings; without `item` (an id), the title identifies the
item; without `time`, rows are in time order; without `categories`, none are known."""
REQUIRED = ("user", "title", "rating")
"""Fields that the file or the user has to settle. The user alone can settle that there is no column for `user`."""
NO_NOUN = "item"
"""What an item is called if nobody says so."""

COLUMN_NAMES: Mapping[str, Sequence[Sequence[str]]] = {
    "user": (
        ("user",),
        ("userid", "username"),
        ("reviewerid", "customerid", "memberid", "accountid", "profileid", "uid"),
        ("reviewer", "customer", "member", "account", "profile", "person"),
    ),
    "title": (
        ("title",),
        ("name", "itemtitle", "itemname", "producttitle", "productname", "movietitle", "moviename", "booktitle",
         "bookname", "recipename", "songtitle", "songname", "trackname", "gametitle", "gamename", "placename",
         "objectname", "beername", "winename", "showtitle", "locationname", "restaurantname"),
        ("item", "movie", "film", "book", "product", "recipe", "song", "track", "game", "place", "show", "album",
         "restaurant"),
    ),
    "rating": (
        ("myrating", "yourrating"),
        ("rating",),
        ("ratings", "stars", "star", "score", "overall", "userrating", "reviewrating", "starrating", "ratingscore",
         "fivestarratingpublished"),
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
    # One name a group: if a file has several of them, the first one is read.
    "categories": tuple((name,) for name in (
        "categories", "category", "genres", "genre", "cuisines", "cuisine", "tags", "tag", "itemcategories",
        "itemcategory", "maincategory", "primarycategory", "productcategory", "styles", "style", "topics", "topic",
        "subjects", "subject", "beertype", "winetype",
    )),
}  # fmt: skip
"""Common names of each field's column, without case and punctuation; names in earlier groups are preferred.

The user is never the author, artist, director or brand: these made the item. The user's own rating comes before
"rating", which may then be an average.
"""


@dataclass(frozen=True)
class Columns:
    """The columns of a file.

    Attributes:
        of: The column of each field that has one. Without `user`, one person gave all ratings.
        unclear: For each field without a clear column, the columns that may hold it: several, or none.
        rejected: For each field, why columns whose names fit do not hold it, in words.
    """

    of: Mapping[str, str]
    unclear: Mapping[str, Sequence[str]]
    rejected: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


def find_columns(
    header: Sequence[str],
    given: Mapping[str, str],
    noun: str = NO_NOUN,
    rejected: Mapping[str, Collection[str]] | None = None,
) -> Columns:
    """Find the column of each field by its name.

    Args:
        header: The names of all columns.
        given: Columns that the user has named, by field; "" means that the file has none.
        noun: What an item is called; a title's column of this name comes before all others.
        rejected: For each field, columns that do not hold it, whatever their names say.

    Raises:
        UserError: A named field or column does not exist, two fields have the same column, or the title or the rating
            is said to have none.
    """
    if unknown := [name for name in given if name not in FIELDS]:
        raise UserError(f"there is no field {', '.join(unknown)}", where="columns", do=choose_from(FIELDS, *unknown))
    if empty := [name for name in ("title", "rating") if given.get(name) == ""]:
        raise UserError(
            f"the {empty[0]} needs a column",
            where="columns",
            do="only user=, time=, item= and categories= may be left empty",
        )
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
    for name in FIELDS:
        if name not in given:
            taken = {*of.values(), *(rejected or {}).get(name, ())}
            found = candidates(name, [column for column in header if column and column not in taken], noun)
            if len(found) == 1:
                of[name] = found[0]
            elif found or name in REQUIRED:
                unclear[name] = found
    return Columns({name: of[name] for name in FIELDS if name in of}, unclear)


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
    problems = [f"the {name} can be in {listed(names)}" for name, names in columns.unclear.items() if names]
    lacking = [name for name, names in columns.unclear.items() if not names]
    problems += [reason for name in lacking for reason in columns.rejected.get(name, ())]
    if missing := [f"the {name}" for name in lacking if name not in columns.rejected]:
        *others, last = missing
        all_of_them = f"{', '.join(others)} or {last}" if others else last
        problems.append(f"no column seems to hold {all_of_them}")
    flag = ",".join(f"{name}=COLUMN" for name in columns.unclear)
    one = "; user= (empty) if one person gave all ratings" if "user" in lacking else ""
    raise UserError("; ".join(problems), where=where, do=f"give --columns {flag} (found: {listed(header)}){one}")


def candidates(name: str, columns: Sequence[str], noun: str = NO_NOUN) -> list[str]:
    """Return the columns that may hold a field: those with a name of the first group that has any.

    Args:
        name: The field.
        columns: The names of columns.
        noun: What an item is called.
    """
    by_letters = [(column, letters(column)) for column in columns]
    groups = COLUMN_NAMES[name]
    if name == "title" and noun != NO_NOUN:
        groups = ([letters(f"{noun} {word}") for word in ("title", "name")], [letters(noun)], *groups)
    if name == "categories" and noun != NO_NOUN:
        groups = (*groups, *([letters(f"{noun} {word}")] for group in groups for word in group))
    for group in groups:
        if found := [column for column, word in by_letters if word and word in group]:
            return found
    return []


def letters(name: str) -> str:
    """Return a name in lower case, without punctuation and blanks."""
    return re.sub(r"[\W_]+", "", name.casefold())


def listed(names: Sequence[str], max_names: int = 20) -> str:
    """Return the first `max_names` names for a message, long ones shortened."""
    shown = ", ".join(name if len(name) <= 40 else f"{name[:40]}…" for name in names[:max_names])
    return f"{shown}, …" if len(names) > max_names else shown or "none"
