"""Write a new folder completely or not at all."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deeper.errors import UserError


@contextmanager
def new_folder(folder: Path) -> Generator[Path]:
    """Give a temporary folder that becomes `folder`, synced to the disk, when the block ends without an error.

    Args:
        folder: A folder that is empty or does not exist.

    Raises:
        UserError: The folder is not empty, or cannot be written (read-only, disk full).
    """
    folder = folder.resolve()
    staging = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UserError("the folder is not empty", where=str(folder), do="choose another folder, or empty this one")
        try:
            staging.mkdir(parents=True)
            yield staging
            for path in staging.rglob("*"):
                if path.is_file():
                    with path.open("rb") as file:
                        os.fsync(file.fileno())
            staging.replace(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise not_written(folder, error) from error


def not_written(path: Path, error: OSError) -> UserError:
    """Return the error for a file or folder that cannot be written."""
    do = "free space or choose another place, then repeat the command"
    return UserError(f"cannot be written ({error.strerror or error})", where=str(path), do=do)
