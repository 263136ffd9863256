"""Read the windows of folders that `deeper prepare` has made; they keep their split."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.schema import WINDOW
from deeper.behaviour.windows import strings
from deeper.domains import BUILTIN
from deeper.errors import UserError
from deeper.storage.parquet import read_parquet

WINDOWS_FILE = "windows.parquet"
KEYS = ("domain", "user", "split", "k")


def is_prepared(folder: Path) -> bool:
    """Return whether a folder holds windows as `deeper prepare` writes them."""
    return (folder / WINDOWS_FILE).is_file()


def find_prepared(root: Path) -> list[Path]:
    """Return which of a folder and its subfolders hold windows, sorted."""
    return sorted(folder for folder in (root, *root.glob("*")) if is_prepared(folder))


def read_prepared(folder: Path) -> pa.Table:
    """Return the windows of a prepared folder, a `WINDOW` table.

    Raises:
        UserError: The file is damaged or holds something else.
    """
    path = folder / WINDOWS_FILE
    try:
        windows = read_parquet(path).cast(WINDOW).combine_chunks()
        windows.validate(full=True)
        _check(windows)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(
            f"the windows cannot be read ({error})", where=str(path), do="run deeper prepare again"
        ) from error
    return windows


def _check(windows: pa.Table) -> None:
    """Refuse tables that another program has written, if they do not hold windows.

    Raises:
        ValueError: A domain or split is unknown; a value is missing; a user's windows are missing, repeated, empty or
            of different sizes; or a rating is not on the domain's scale.
    """
    if unknown := set(strings(windows, "domain")) - BUILTIN.keys():
        raise ValueError(f"unknown domain {min(unknown)!r}")
    if unknown := set(strings(windows, "split")) - {"train", "eval"}:
        raise ValueError(f"unknown split {min(unknown)!r}")
    numbers: dict[tuple[str, str], list[int]] = {}
    splits: dict[tuple[str, str], str] = {}
    for domain, user, split, k in zip(*(windows[name].to_pylist() for name in KEYS), strict=True):
        numbers.setdefault((domain, user), []).append(k)
        if splits.setdefault((domain, user), split) != split:
            raise ValueError(f"user {user!r} is in both splits")
    for (_, user), found in numbers.items():
        if sorted(found) != list(range(len(found))):
            raise ValueError(f"the windows of user {user!r} are not numbered 0, 1, 2 …, each once")
    sizes = set(pc.list_value_length(windows["items"]).to_pylist())
    size = sizes.pop() if len(sizes) == 1 else None
    if windows.num_rows and not size:
        raise ValueError("the windows are not all of one size")
    items = pc.list_flatten(windows["items"])
    for name in ("item", "title", "categories", "rating"):
        if pc.struct_field(items, name).null_count:
            raise ValueError(f"a window has an item without {name}")
    domains = np.repeat(strings(windows, "domain"), size or 0)
    for name, rating in set(zip(domains, pc.struct_field(items, "rating").to_pylist(), strict=True)):
        if not BUILTIN[name].accepts(rating):
            raise ValueError(f"the rating {rating:g} is off the scale of {name}")
