"""DuckDB with bounded memory, temporary files on the output's disk, and errors that say what to do."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from deeper.errors import UserError


@contextmanager
def database(spill: Path, memory_gib: float) -> Generator[duckdb.DuckDBPyConnection]:
    """Open an in-memory database that writes to a folder what does not fit in memory.

    Args:
        spill: The folder, on the same disk as the output.
        memory_gib: Memory limit in GiB; the process takes about half a GiB more.

    Raises:
        UserError: The disk is full, or the memory is too small.
        KeyboardInterrupt: The user interrupted a query; DuckDB raises other exceptions then.
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
        raise UserError("the database ran out of memory", where=str(spill), do="raise --memory") from error
    except (duckdb.IOException, duckdb.InternalException) as error:
        raise UserError(
            f"cannot be written or read ({str(error).splitlines()[0]})",
            where=str(spill),
            do="free space on the disk, or choose another --out; the same command continues where it stopped",
        ) from error


def quoted(text: str) -> str:
    """Return text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def path_list(paths: list[Path]) -> str:
    """Return paths as an SQL list."""
    return "[" + ", ".join(quoted(str(path)) for path in paths) + "]"
