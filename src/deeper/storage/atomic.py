"""Files that are whole, absent or as before, whatever happens while they are written."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deeper.errors import UserError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file through a temporary name, fsync and rename: after a crash it is whole, absent or as before.

    Args:
        path: The file, in a folder that exists.
        content: All of it.

    Raises:
        OSError: It cannot be written; nothing is left behind.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def disk_errors(path: Path) -> Generator[None]:
    """Turn errors of the file system into messages that say what to do."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            do="free space or choose another folder (--out); a run continues where it was",
        ) from error
