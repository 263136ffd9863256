"""Read a table of items, which `--items` names: an id or a title in each row, and the item's categories.

`movies.csv` of MovieLens (`movieId,title,genres`) is one. Columns are found by the names that ratings files use. Titles
are compared without case, blanks and punctuation: published titles have lost some of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deeper.behaviour.own.bad_values import BadValue
from deeper.behaviour.own.columns import candidates, letters, listed
from deeper.behaviour.own.rows import category_parser
from deeper.behaviour.own.table import OwnTable, open_table
from deeper.behaviour.own.text.nested import flattened
from deeper.behaviour.own.text_rows import Unreadable
from deeper.behaviour.own.values import parse_text
from deeper.behaviour.titles import clean_title, has_title
from deeper.errors import UserError


@dataclass(frozen=True)
class ItemsFile:
    """The categories of items; of several rows of an item, the first that names a category counts.

    Attributes:
        path: The file.
        of_ids: Categories by id.
        of_titles: Categories by `title_key`.
        titles: The `title_key` of each id; empty if the file has no titles.
        example: The first id or title, for messages.
    """

    path: str
    of_ids: Mapping[str, Sequence[str]]
    of_titles: Mapping[str, Sequence[str]]
    titles: Mapping[str, str]
    example: str


def title_key(title: str) -> str:
    """Return what titles are compared by: letters and digits in lower case, or the title if it has none."""
    return letters(clean_title(title)) or title


def read_items(path: str) -> ItemsFile:
    """Read a table of items: CSV, JSON or Parquet, optionally gzipped.

    Raises:
        UserError: The file cannot be read, has no column of ids, titles or categories, or names no category.
    """
    try:
        return _read(path)
    except UserError as error:
        if "--encoding" not in error.do:  # that is the encoding of the ratings
            raise
        raise UserError(error.what, where=error.where, do="save the file in UTF-8") from error


def _read(path: str) -> ItemsFile:
    source = flattened(open_table(Path(path)))
    ids = candidates("item", source.columns) or [name for name in source.columns if letters(name) == "id"]
    titles, categories = candidates("title", source.columns), candidates("categories", source.columns)
    if not categories or not (ids or titles):
        lacking = "an item's title or id" if categories else "categories"
        raise UserError(
            f"no column seems to hold {lacking}",
            where=path,
            do=f"name the columns title (or item, an id) and categories (found: {listed(source.columns)})",
        )
    source.check_unique([*ids[:1], *titles[:1], categories[0]])
    found = _collected(source, ids[0] if ids else "", titles[0] if titles else "", categories[0])
    if not found.of_ids and not found.of_titles:
        do = f"name the column of categories, {categories[0]} now, in another way if it holds none"
        raise UserError("no row has an item and a category", where=path, do=do)
    return found


def _collected(source: OwnTable, id_column: str, title_column: str, category_column: str) -> ItemsFile:
    categories_of = category_parser(source, category_column)
    of_ids: dict[str, Sequence[str]] = {}
    of_titles: dict[str, Sequence[str]] = {}
    titles: dict[str, str] = {}
    example = ""
    used = list(dict.fromkeys(name for name in (id_column, title_column, category_column) if name))
    for _, row in source.rows(used):
        if isinstance(row, Unreadable) or not (categories := categories_of(row)):
            continue
        item, title = (_text(row[name]) if name else "" for name in (id_column, title_column))
        example = example or title or item
        if item:
            of_ids.setdefault(item, categories)
        if has_title(title):
            of_titles.setdefault(title_key(title), categories)
        if item and has_title(title):
            titles.setdefault(item, title_key(title))
    return ItemsFile(str(source.path), of_ids, of_titles, titles, example)


def _text(value: object) -> str:
    """An id or title; empty if there is none."""
    try:
        return parse_text(value).strip()
    except BadValue:
        return ""
