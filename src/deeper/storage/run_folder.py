"""The run folder: settings, shards, tables, manifest and results, all written atomically."""

import hashlib
import json
import shutil
import tomllib
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
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


STARTING_FILE = ".starting"
"""Is there until everything that the run needs has worked once."""
_HELD: list["RunFolder"] = []
"""The folders that this process has locked."""


class RunFolder:
    """The folder of a run. A killed run can be continued in it.

    The first file that is written binds the folder to the run's settings. A run that could not start, such as one whose
    server did not answer, leaves the folder free for other settings.
    """

    def __init__(self, path: Path, settings: RunSettings) -> None:
        """Open the folder, which need not exist. Nothing is written yet.

        Raises:
            UserError: The folder cannot be read, holds something else, or holds a run with other settings.
        """
        self.path, self._settings, self._is_bound = path, settings, False
        with disk_errors(path):
            if (path / CONFIG_FILE).exists():
                self._check_settings()
            elif path.exists() and (not path.is_dir() or _holds_files(path)):
                do = "choose an empty or new folder (--out)"
                raise UserError("the folder is not empty and holds no run", where=str(path), do=do)

    @contextmanager
    def held(self) -> Generator[None]:
        """Lock the folder, and delete half-written files of a killed process.

        Raises:
            UserError: The folder cannot be made, or another process has locked it.
        """
        lock, is_new = FileLock(self.path / ".lock", timeout=0), not self.path.exists()
        with disk_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
            except Timeout as error:
                raise UserError(
                    "another process is running in this folder",
                    where=str(self.path),
                    do="wait until it ends, or choose another folder",
                ) from error
        _HELD.append(self)
        try:
            with disk_errors(self.path):
                for part in self.path.rglob("*.part"):
                    part.unlink()
            yield
        finally:
            _HELD.remove(self)
            if is_new and not _holds_files(self.path):
                self._remove_empty()
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

    def bind(self, *, has_started: bool = True) -> None:
        """Write the settings, unless the folder has them. Every writing does this first.

        A run folder around this one, such as that of `deeper learn`, is bound with it.

        Args:
            has_started: Whether everything that the run needs works. Until then, other settings may take the folder
                over; what it holds is used where it fits.

        Raises:
            UserError: The folder holds a run with other settings by now, or cannot be written.
        """
        if self._is_bound and not (has_started and self.has(STARTING_FILE)):
            return
        for around in _HELD:
            if around.path.resolve() in self.path.resolve().parents:
                around.bind(has_started=has_started)
        if not self._is_bound and self.has(CONFIG_FILE):
            self._check_settings()
        if not self._is_bound and (self.has(STARTING_FILE) or not self.has(CONFIG_FILE)):
            self._put(STARTING_FILE, b"")
            self._put(CONFIG_FILE, self._settings.to_toml().encode())
        self._is_bound = True
        if has_started:
            with disk_errors(self.path):
                (self.path / STARTING_FILE).unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Delete a folder and everything in it."""
        with disk_errors(self.path / name):
            shutil.rmtree(self.path / name)

    def _write(self, name: str, content: bytes) -> None:
        if not self._is_bound:
            self.bind()
        self._put(name, content)

    def _remove_empty(self) -> None:
        """Remove what a run that could not start has made."""
        with suppress(OSError):
            (self.path / ".lock").unlink()
            self.path.rmdir()

    def _check_settings(self) -> None:
        if not self.has(STARTING_FILE):
            _check_same(self.path / CONFIG_FILE, self._settings)

    def _put(self, name: str, content: bytes) -> None:
        path = self.path / name
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)


def _holds_files(path: Path) -> bool:
    return any(inner.is_file() and inner.name[0] != "." for inner in path.rglob("*"))


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
    for name, part in new.items():
        # Some parts of a group of settings may change in a run; dumps leave them out.
        if isinstance(part, dict) and isinstance(old.get(name), dict):
            old[name] = {key: value for key, value in old[name].items() if key in part}
    if old != new:
        names = [name for name in {**new, **old} if old.get(name) != new.get(name)]
        changed = [f"{name} = {json.dumps(new.get(name))} (was {json.dumps(old.get(name))})" for name in names]
        what = f"the run folder was made with other settings: {'; '.join(changed)}"
        raise UserError(what, where=str(config.parent), do=do)
