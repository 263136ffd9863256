"""Read and write the published layout of one domain.

    <domain>/test_iterations/test_iteration_<k>.jsonl       contexts of eval users, k = 1, 2, …
    <domain>/split_data/{train,test,full}_dataset.csv       wide rows of the train, the eval, and all users

Any of the files may be missing. The file that a user is in decides the user's split, because the column `split` says
"train" on every row of full_dataset.csv. Users who are only in full_dataset.csv are train users if there is a
test_dataset.csv; otherwise they are left out and counted.
"""

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from deeper.behaviour.published.from_windows import context_records, domain_fields, windows_by_user
from deeper.behaviour.published.merge_records import LocatedRecord, Quirks, merge_records
from deeper.behaviour.published.records import Record, format_context, format_wide, parse_context, parse_wide
from deeper.behaviour.published.text_files import csv_rows, csv_text, json_line, json_records, write_folder
from deeper.behaviour.recipe import RECIPE
from deeper.domains import BUILTIN, Domain, find_domain
from deeper.errors import UserError

_NAME = re.compile(r"test_iteration_([0-9]+)\.jsonl")
_CSV = ("train", "test", "full")


def find_published(root: Path) -> list[Path]:
    """Return the domain folders at or below a folder, at most two levels down, sorted."""
    levels = (root, *sorted(root.glob("*")), *sorted(root.glob("*/*")))
    return sorted(folder for folder in levels if _context_files(folder) or _csv_files(folder))


def read_published(
    folder: Path, domain: Domain | None = None, size: int = RECIPE.window_size
) -> tuple[pa.Table, Quirks]:
    """Read the published folder of one domain.

    Args:
        folder: The domain's folder.
        domain: The domain, if it is not a built-in one. By default the records' `dataset_name` decides, or, if that
            is unknown, the folder's name.
        size: Ratings in a window.

    Returns:
        A WINDOW table with clean titles, which also identify the items, and null times; and the quirks found.

    Raises:
        UserError: There is nothing to read, or a record is bad; the message names file and row.
    """
    context_files, csv_files = _context_files(folder), _csv_files(folder)
    if not (context_files or csv_files):
        raise UserError(
            "there are no published files",
            where=str(folder),
            do="name a folder that holds test_iterations/ or split_data/",
        )
    located = [
        LocatedRecord(parse_context(record, where), path, where, "eval")
        for path in context_files
        for where, record in json_records(path)
    ]
    rows = {name: _read_csv(path) for name, path in csv_files.items()}
    located += [replace(row, split="train") for row in rows.get("train", [])]
    located += [replace(row, split="eval") for row in rows.get("test", [])]
    splits = {row.record.user: row.split for row in located}
    if "test" in rows:
        splits = {row.record.user: "train" for row in rows.get("full", [])} | splits
    full = [replace(row, split=splits.get(row.record.user, "")) for row in rows.get("full", [])]
    unassigned = {row.record.user for row in full if not row.split}
    located += [row for row in full if row.split]
    if not located:
        raise UserError(
            "no file shows which users are train and which are eval users",
            where=str(folder),
            do="add test_iterations/, or train_dataset.csv or test_dataset.csv in split_data/",
        )
    table, quirks = merge_records(located, lambda name: domain or _find(name, folder), size)
    if len(found := table["domain"].unique().to_pylist()) > 1:
        raise UserError(
            f"the folder mixes the domains {', '.join(map(str, found))}",
            where=str(folder),
            do="put each domain into its own folder",
        )
    return table, replace(quirks, users_read=quirks.users_read + len(unassigned), users_unassigned=len(unassigned))


def write_published(windows: pa.Table, folder: Path, domain: Domain | None = None) -> None:
    """Write windows of one domain in the published layout, atomically.

    Reading the folder gives the same table, if its titles are clean and identify the items, and it has no times. Eval
    users are written as contexts and also to test_dataset.csv, because users with fewer than three windows have no
    context.

    Args:
        windows: A WINDOW table.
        folder: An empty or new folder.
        domain: The domain, if it is not a built-in one.

    Raises:
        UserError: The table is empty, holds several domains or windows with gaps, or cannot be written.
    """
    users = windows_by_user(windows)
    ids = sorted({domain_id for domain_id, _, _ in users})
    if len(ids) > 1:
        raise UserError(f"the windows are of several domains ({', '.join(ids)})", do="write one domain at a time")
    other = domain_fields(ids[0], domain)
    files: dict[str, str] = {}
    for split, name in (("train", "train"), ("eval", "test")):
        records = [
            Record(user[2], None, {**other, "split": split}, numbered)
            for user, numbered in users.items()
            if user[1] == split
        ]
        if records:
            columns = max(len(record.windows) for record in records)
            rows = [format_wide(record, columns) for record in records]
            files[f"split_data/{name}_dataset.csv"] = csv_text(rows)
    lines: dict[int, list[str]] = {}
    for user, numbered in users.items():
        for k, record in enumerate(context_records(user, numbered, other), 1):
            if user[1] == "eval":
                lines.setdefault(k, []).append(json_line(format_context(record)))
    for k, group in lines.items():
        files[f"test_iterations/test_iteration_{k}.jsonl"] = "".join(group)
    write_folder(folder, files)


def _context_files(folder: Path) -> list[Path]:
    numbered = {
        int(match[1]): path for path in folder.glob("test_iterations/*.jsonl") if (match := _NAME.fullmatch(path.name))
    }
    return [numbered[k] for k in sorted(numbered)]


def _csv_files(folder: Path) -> dict[str, Path]:
    paths = {name: folder / "split_data" / f"{name}_dataset.csv" for name in _CSV}
    return {name: path for name, path in paths.items() if path.is_file()}


def _read_csv(path: Path) -> list[LocatedRecord]:
    return [LocatedRecord(parse_wide(row, where), path, where, "") for where, row in csv_rows(path)]


def _find(dataset_name: str, folder: Path) -> Domain:
    known = {name for domain in BUILTIN.values() for name in (domain.id, *domain.aliases)}
    unknown = dataset_name not in known and folder.resolve().name in known
    return find_domain(folder.resolve().name if unknown else dataset_name)
