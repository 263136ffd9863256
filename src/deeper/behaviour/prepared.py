"""Folders that `deeper prepare` has made: their windows as they are, with the split that was drawn there."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.schema import WINDOW
from deeper.errors import UserError

WINDOWS_FILE = "windows.parquet"


def is_prepared(folder: Path) -> bool:
    """Whether a folder holds windows as `deeper prepare` writes them."""
    return (folder / WINDOWS_FILE).is_file()


def find_prepared(root: Path) -> list[Path]:
    """The folder itself or the folders in it that hold windows, sorted; empty if there are none."""
    return sorted(folder for folder in (root, *root.glob("*")) if is_prepared(folder))


def read_prepared(folder: Path) -> pa.Table:
    """The windows of a prepared folder, a `WINDOW` table.

    Raises:
        UserError: The file is damaged or holds something else.
    """
    path = folder / WINDOWS_FILE
    try:
        return pq.read_table(path).cast(WINDOW)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(
            f"the windows cannot be read ({error})", where=str(path), do="run deeper prepare again"
        ) from error
