"""Read and write the hub layout of contexts, all domains together.

    user_context_train/iteration_{1,2}.json         contexts of train users
    user_context_test/iteration_{1,2,3,4}.json      contexts of eval users

Each file is a JSON array, or JSON lines, of the records that `records` describes. The public snapshot does not hold
these files. The layout follows the data's public page and the research notes; the records follow the published domain
folders. Extra keys are accepted. `hub_pairs` and `hub_personas` read the hub's other files.
"""

import re
from pathlib import Path

import pyarrow as pa

from deeper.behaviour.published.from_windows import context_records, domain_fields, windows_by_user
from deeper.behaviour.published.merge_records import LocatedRecord, Quirks, merge_records
from deeper.behaviour.published.records import format_context, parse_context
from deeper.behaviour.published.text_files import json_array, json_records, write_folder
from deeper.behaviour.recipe import RECIPE
from deeper.behaviour.users import CONTEXT_WINDOWS
from deeper.domains import Domain, find_domain
from deeper.errors import UserError

_FOLDERS = {"user_context_train": "train", "user_context_test": "eval"}
_NAME = re.compile(r"iteration_([0-9]+)\.jsonl?")


def is_hub(root: Path) -> bool:
    """Return whether a folder holds contexts in the hub layout."""
    return bool(_files(root))


def read_hub(root: Path, domain: Domain | None = None, size: int = RECIPE.window_size) -> tuple[pa.Table, Quirks]:
    """Read the contexts of the hub layout.

    Args:
        root: The folder that holds `user_context_train`, `user_context_test` or both.
        domain: The domain of all records, if it is not a built-in one; by default each record's `dataset_name`
            decides.
        size: Ratings in a window.

    Returns:
        A WINDOW table with clean titles, which also identify the items, and null times; and the quirks found.

    Raises:
        UserError: There is nothing to read, or a record is bad; the message names file and row.
    """
    files = _files(root)
    if not files:
        raise UserError(
            "there are no contexts in the hub layout",
            where=str(root),
            do="name a folder that holds user_context_train/iteration_1.json or user_context_test/",
        )
    located = (
        LocatedRecord(parse_context(record, where), path, where, split)
        for path, split in files
        for where, record in json_records(path)
    )
    return merge_records(located, lambda name: domain or find_domain(name), size)


def write_hub(windows: pa.Table, root: Path, domain: Domain | None = None) -> None:
    """Write windows in the hub layout, atomically.

    Reading the folder gives the same table, if its titles are clean and identify the items, and it has no times.

    Args:
        windows: A WINDOW table of any number of domains.
        root: An empty or new folder.
        domain: The domain of all windows, if it is not a built-in one.

    Raises:
        UserError: The table is empty, has windows with gaps or users without a context (fewer than three windows), or
            cannot be written.
    """
    records: dict[str, list[dict[str, object]]] = {}
    folders = {split: name for name, split in _FOLDERS.items()}
    for user, numbered in windows_by_user(windows).items():
        if len(numbered) < CONTEXT_WINDOWS:
            raise UserError(
                f"user {user[2]!r} in {user[0]} has {len(numbered)} windows, and a context takes {CONTEXT_WINDOWS}",
                do="leave the user out, or write the published layout",
            )
        for k, record in enumerate(context_records(user, numbered, domain_fields(user[0], domain)), 1):
            name = f"{folders[user[1]]}/iteration_{k}.json"
            records.setdefault(name, []).append(format_context(record))
    write_folder(root, {name: json_array(group) for name, group in records.items()})


def _files(root: Path) -> list[tuple[Path, str]]:
    return [
        (path, split)
        for name, split in _FOLDERS.items()
        for path in sorted(root.glob(f"{name}/iteration_*"))
        if _NAME.fullmatch(path.name)
    ]
