"""The run folder: settings, shards, tables, manifest and results, all written atomically."""

import hashlib
import json
import shutil
import tomllib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from deeper.errors import UserError
from deeper.storage.atomic import disk_errors, write_atomically
from deeper.storage.layout import CONFIG_FILE
from deeper.storage.parquet import read_parquet
from deeper.storage.settings import RunSettings

ROWS_PER_GROUP = 10_000
"""Rows in a row group of a Parquet file; the writer holds a whole group in memory."""


class RunFolder:
    """The folder of a run. A killed run can be continued in it."""

    def __init__(self, path: Path, settings: RunSettings) -> None:
        """Open or create the folder.

        Raises:
            UserError: The folder cannot be written, holds something else, or holds a run with other settings.
        """
        self.path = path
        config = path / CONFIG_FILE
        with disk_errors(path):
            if config.exists():
                _check_same(config, settings)
            elif path.exists() and (not path.is_dir() or any(p for p in path.iterdir() if p.name[0] != ".")):
                do = "choose an empty or new folder (--out)"
                raise UserError("the folder is not empty and holds no run", where=str(path), do=do)
            else:
                path.mkdir(parents=True, exist_ok=True)
                self.write_text(CONFIG_FILE, settings.to_toml())

    @contextmanager
    def held(self) -> Generator[None]:
        """Lock the folder, and delete half-written files of a killed process.

        Raises:
            UserError: Another process has locked the folder.
        """
        lock = FileLock(self.path / ".lock", timeout=0)
        with disk_errors(self.path):
            try:
                lock.acquire()
            except Timeout as error:
                raise UserError(
                    "another process is running in this folder",
                    where=str(self.path),
                    do="wait until it ends, or choose another folder",
                ) from error
        try:
            with disk_errors(self.path):
                for part in self.path.rglob("*.part"):
                    part.unlink()
            yield
        finally:
            lock.release()

    def has(self, name: str) -> bool:
        """Whether a file exists; files are written atomically, so it is complete."""
        return (self.path / name).exists()

    def read_table(self, name: str, schema: pa.Schema) -> pa.Table:
        """Read a Parquet file that has this schema.

        Raises:
            UserError: The file is damaged, or has another schema.
        """
        path = self.path / name
        try:
            table = read_parquet(path)
            table.validate(full=True)
        except MemoryError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _damaged(path) from error
        if not table.schema.equals(schema):
            raise _damaged(path)
        return table

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file that holds an object.

        Raises:
            UserError: The file is damaged.
        """
        path = self.path / name
        try:
            value = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise _damaged(path) from error
        if not isinstance(value, dict):
            raise _damaged(path)
        return cast(dict[str, Any], value)

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a Parquet file atomically."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, row_group_size=ROWS_PER_GROUP, compression="zstd", write_page_checksum=True)
        self._write(name, sink.getvalue().to_pybytes())

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write JSON atomically; raise ValueError for NaN."""
        self.write_text(name, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def seal(self, name: str, value: Mapping[str, Any], files: Sequence[str]) -> None:
        """Write the JSON file that ends a run, with the SHA-256 of other files and of itself.

        Args:
            name: The file's name.
            value: Its content.
            files: The files of the folder that belong to it; they exist already.
        """
        digests = {file: hashlib.sha256((self.path / file).read_bytes()).hexdigest() for file in files}
        sealed = {**value, "files": digests}
        self.write_json(name, {**sealed, "sha256": _sha256(sealed)})

    def write_text(self, name: str, text: str) -> None:
        """Write a text file atomically, in UTF-8."""
        self._write(name, text.encode())

    def remove(self, name: str) -> None:
        """Delete a folder and everything in it."""
        with disk_errors(self.path / name):
            shutil.rmtree(self.path / name)

    def _write(self, name: str, content: bytes) -> None:
        path = self.path / name
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)


def is_sealed(value: Mapping[str, Any]) -> bool:
    """Whether the content of a file that `RunFolder.seal` wrote is unchanged."""
    return value.get("sha256") == _sha256({name: part for name, part in value.items() if name != "sha256"})


def _sha256(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _damaged(path: Path) -> UserError:
    """Return the error for a file that is not as the command wrote it."""
    return UserError(
        "the file is damaged", where=str(path), do="delete the file and repeat the command; everything else is kept"
    )


def _check_same(config: Path, settings: RunSettings) -> None:
    do = "choose another --out, or delete the folder and start again"
    try:
        old = tomllib.loads(config.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"the settings of the run cannot be read ({error})", where=str(config), do=do) from error
    new = json.loads(settings.model_dump_json())
    # A run that is older than a setting was made with its default.
    old = {**type(settings).model_construct().model_dump(mode="json"), **old}
    if old != new:
        names = [name for name in {**new, **old} if old.get(name) != new.get(name)]
        changed = [f"{name} = {json.dumps(new.get(name))} (was {json.dumps(old.get(name))})" for name in names]
        what = f"the run folder was made with other settings: {'; '.join(changed)}"
        raise UserError(what, where=str(config.parent), do=do)
