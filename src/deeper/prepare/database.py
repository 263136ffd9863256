"""DuckDB as this package uses it: bounded memory, spilling to the output's disk, errors that say what to do."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from deeper.errors import UserError


@contextmanager
def database(spill: Path, memory_gib: float) -> Generator[duckdb.DuckDBPyConnection]:
    """A database in memory that spills to a folder.

    Args:
        spill: Folder for what does not fit; on the same disk as the output.
        memory_gib: Memory that it keeps to, in GiB; the process takes about half a GiB more.

    Raises:
        UserError: The disk is full, or the memory too small.
        KeyboardInterrupt: It was interrupted, for which the database has errors of its own.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_gib:g}GiB",
        "temp_directory": str(spill),
        "preserve_insertion_order": "false",
    }
    try:
        with duckdb.connect(config=config) as connection:
            yield connection
    except (duckdb.InterruptException, RuntimeError) as error:
        if "interrupt" not in str(error).lower():
            raise
        raise KeyboardInterrupt from error
    except duckdb.OutOfMemoryException as error:
        raise UserError("the memory is too small", where=str(spill), do="give more with --memory") from error
    except (duckdb.IOException, duckdb.InternalException) as error:
        raise UserError(
            f"cannot be written or read ({str(error).splitlines()[0]})",
            where=str(spill),
            do="free space, or choose another --out; the same command continues where it was",
        ) from error


def quoted(text: str) -> str:
    """Text as a string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def path_list(paths: list[Path]) -> str:
    """Paths as a list of SQL."""
    return "[" + ", ".join(quoted(str(path)) for path in paths) + "]"
