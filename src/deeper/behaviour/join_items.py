"""Join the categories of tables of items to windows, whatever the windows come from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc_typed

from deeper.behaviour.categories import without_near_universal
from deeper.behaviour.own.bad_values import shown
from deeper.behaviour.own.items_file import ItemsFile, read_items, title_key
from deeper.behaviour.own.rows import universal_note
from deeper.behaviour.schema import CATEGORIES, ITEM, WINDOW
from deeper.behaviour.titles import has_title
from deeper.errors import UserError

pc: Any = pc_typed
"""pyarrow.compute, whose stubs take columns for arrays."""

SAME_TITLE_SHARE = 0.5
"""Ids of a domain and a table are the same if at least this share of the items with a common id has a common title."""

Item = tuple[str, str]
"""Id and title."""


def join_items(windows: pa.Table, files: Sequence[str]) -> tuple[pa.Table, list[str]]:
    """Give the items of windows the categories that tables of items name.

    An item is found by its id, else by its title. Ids do not count where titles show that they are other ids. What a
    table says replaces what was known of an item. Then the categories of nearly all items are dropped.

    Args:
        windows: A `WINDOW` table.
        files: Paths of tables of items; later ones come first where several name an item.

    Returns:
        The windows, and notes: how many items of each domain each file named.

    Raises:
        UserError: A file cannot be read, or names no item of the windows.
    """
    if not (files and windows.num_rows):
        return windows, []
    items: Any = pc.list_flatten(windows["items"])
    items = items.combine_chunks()
    lengths = pc.list_value_length(windows["items"]).to_numpy()
    columns = {name: items.field(name) for name in ITEM.names}
    domains = np.repeat(np.array(windows["domain"].to_pylist(), object), lengths)
    events = pa.Table.from_pydict({"domain": pa.array(domains, pa.string()), **columns})
    notes: list[str] = []
    for file in files:
        events, found = _joined(events, read_items(file))
        notes += found
    events, universal = without_near_universal(events)
    if universal:
        notes.append(universal_note(universal))
    columns["categories"] = events["categories"].combine_chunks()
    structs = pa.StructArray.from_arrays(list(columns.values()), fields=list(ITEM))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    field = WINDOW.field("items")
    lists = pa.ListArray.from_arrays(offsets, structs, type=field.type)
    return windows.set_column(windows.schema.get_field_index("items"), field, lists), notes


def _joined(events: pa.Table, file: ItemsFile) -> tuple[pa.Table, list[str]]:
    """The events with the categories of one file, and the notes on it."""
    keys = list(zip(*(events[name].to_pylist() for name in ("domain", "item", "title")), strict=True))
    items: dict[str, dict[Item, None]] = {}
    for domain, item, title in keys:
        items.setdefault(domain, {})[item, title] = None
    found = {domain: _found(of_domain, file) for domain, of_domain in items.items()}
    if not any(found.values()):
        theirs, ours = shown(file.example), shown(keys[0][2])
        raise UserError(
            "the table of items names none of the rated items",
            where=file.path,
            do=f"give a table with their titles or ids: the ratings have {ours}, the table {theirs}",
        )
    lists = events["categories"].to_pylist()
    categories = [found[domain].get((item, title), own) for (domain, item, title), own in zip(keys, lists, strict=True)]
    notes = [
        f"items of {domain} with categories of {file.path}: {len(found[domain]):,} of {len(of_domain):,}"
        for domain, of_domain in items.items()
        if found[domain]
    ]
    index = events.schema.get_field_index("categories")
    return events.set_column(index, events.schema.field(index), pa.array(categories, CATEGORIES)), notes


def _found(items: dict[Item, None], file: ItemsFile) -> dict[Item, Sequence[str]]:
    """The categories of a domain's items."""
    # Where the title is the id, there is no id.
    by_id = {(item, title): file.of_ids[item] for item, title in items if item != title and item in file.of_ids}
    known = [item for item in by_id if item[0] in file.titles]
    if sum(file.titles[item] == title_key(title) for item, title in known) < SAME_TITLE_SHARE * len(known):
        by_id = {}
    keys = {item: title_key(item[1]) for item in items if has_title(item[1])}
    return {item: file.of_titles[key] for item, key in keys.items() if key in file.of_titles} | by_id
