"""The run folder: resolved settings, shards written atomically, tables, manifest and results."""

import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deeper.errors import UserError
from deeper.pipeline.settings import Settings


class RunFolder:
    """A folder that a run can be killed in and started again in."""

    def __init__(self, path: Path, settings: Settings) -> None:
        """Open or create the folder.

        Raises:
            UserError: It cannot be written, is no run folder, or holds a run of other settings.
        """
        self.path = path
        config = path / "config.toml"
        with _disk_errors(path):
            if config.exists():
                _check_same(config, settings)
            elif path.exists() and (not path.is_dir() or any(p for p in path.iterdir() if p.suffix != ".part")):
                raise UserError("the folder is not empty and holds no run", where=str(path), do="choose another --out")
            else:
                path.mkdir(parents=True, exist_ok=True)
                self.write_text("config.toml", settings.to_toml())

    def has(self, name: str) -> bool:
        """Whether a file is there, whole."""
        return (self.path / name).exists()

    def read_table(self, name: str) -> pa.Table:
        """Read a Parquet file.

        Raises:
            UserError: It is damaged.
        """
        path = self.path / name
        try:
            return pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(
                "the file is damaged", where=str(path), do="delete it and start again; the rest is kept"
            ) from error

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a Parquet file atomically."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        self._write(name, sink.getvalue().to_pybytes())

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write JSON atomically; NaN is refused."""
        self.write_text(name, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file atomically, in UTF-8."""
        self._write(name, text.encode())

    def _write(self, name: str, content: bytes) -> None:
        """Temporary name, fsync, rename: after a crash the file is whole or absent."""
        path = self.path / name
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        with _disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
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
def _disk_errors(path: Path) -> Generator[None]:
    """Turn errors of the file system into messages that say what to do."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            do="free space or choose another --out; a run continues where it was",
        ) from error


def _check_same(config: Path, settings: Settings) -> None:
    stored, wanted = config.read_text("utf-8"), settings.to_toml()
    if stored != wanted:
        old, new = stored.splitlines(), wanted.splitlines()
        changed = [f"{b} (was: {a})" for a, b in zip(old, new, strict=False) if a != b]
        raise UserError(
            f"the run folder was made with other settings: {'; '.join(changed) or 'of another version'}",
            where=str(config.parent),
            do="choose another --out, or delete the folder to start anew",
        )
