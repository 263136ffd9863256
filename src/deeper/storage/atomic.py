"""Write files atomically: after a crash a file is complete, absent or unchanged."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deeper.errors import UserError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file atomically, through a temporary name, fsync and rename.

    Args:
        path: The file, in a folder that exists.
        content: The whole content.

    Raises:
        OSError: The file cannot be written; the temporary file is deleted.
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
    """Turn errors of the file system into a `UserError` about `path`."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            do="free space, or choose another --out; the same command continues where it stopped",
        ) from error
