"""Raw files as blocks of whole records: local or remote, plain, gzip or zstd, of any size.

A block ends where a record ends. In CSV a line end between quotes is none; in JSON lines every line end is one.
The next block is read and decompressed while the last one is worked on.
"""

import os
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import fsspec
import numpy as np
import pyarrow as pa
from fsspec.core import url_to_fs
from numpy.typing import NDArray

from deeper.errors import UserError

BLOCK_BYTES = 1 << 23
LONGEST_RECORD = 1 << 26
"""Bytes; a longer record is a sign of another format, or of a quote that is never closed."""

MAGIC: dict[bytes, Literal["gzip", "zstd"]] = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}
QUOTE, LINE_END = 34, 10
Made = TypeVar("Made")
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Whole records of a file.

    Attributes:
        line: Number of the block's first line in the file, from 1.
        data: The bytes of the records.
    """

    line: int
    data: bytes


def blocks(path: str, *, quoted: bool) -> Iterator[Block]:
    """Read a file block by block.

    Args:
        path: A local path, or any address that fsspec knows.
        quoted: Whether a line end between double quotes belongs to the record (CSV).

    Raises:
        UserError: The file cannot be opened, is cut off or damaged, is binary, or a record is too long.
    """
    line, rest = 1, b""
    for number, chunk in enumerate(_chunks(path)):
        if not number:
            _check_text(chunk, path)
        data = rest + chunk if number else chunk.removeprefix(BOM)
        end = _last_end(data, quoted)
        rest = data[end:]
        lines = data.count(b"\n", 0, end)
        if len(rest) > LONGEST_RECORD:
            raise UserError(
                f"a record is longer than {LONGEST_RECORD >> 20} MiB",
                where=f"{path}, line {line + lines}",
                do="see whether the file is of another kind, or a quote is never closed there",
            )
        if end:
            yield Block(line, data[:end])
            line += lines
    if rest:
        yield Block(line, rest)


def record_ends(data: bytes, quoted: bool) -> NDArray[np.int64]:
    """Where records end: positions behind their line ends; an unfinished last record is not counted."""
    letters = np.frombuffer(data, np.uint8)
    is_end = letters == LINE_END
    if quoted and b'"' in data:
        # An even number of quotes before it: the line end is not between quotes. uint8 may overflow, parity stays.
        is_end &= (np.cumsum(letters == QUOTE, dtype=np.uint8) & 1) == 0
    return np.flatnonzero(is_end) + 1


def exists(path: str) -> bool:
    """Whether there is a file of that path or address."""
    if "://" not in path:
        return Path(path).is_file()
    with _reached(path):
        system, name = url_to_fs(path)
        return bool(system.exists(name))


def files_below(folder: str) -> list[str]:
    """All files below a folder, local or of an address, in the order of their names; links are followed.

    Raises:
        UserError: There is no such folder, or it cannot be reached.
    """
    if "://" not in folder:
        if not Path(folder).is_dir():
            what = "this is a file" if Path(folder).is_file() else "there is no such folder"
            raise UserError(what, where=folder, do="name the folder that holds the raw files, or files with --ratings")
        return sorted(os.path.join(at, name) for at, _, names in os.walk(folder, followlinks=True) for name in names)
    with _reached(folder):
        system, root = url_to_fs(folder)
        if not system.isdir(root):
            raise UserError("there is no such folder", where=folder, do="name the folder that holds the raw files")
        return [system.unstrip_protocol(path) for path in sorted(system.find(root))]


def fingerprint(path: str) -> list[Any]:
    """What tells a file from another one in its place: its path, size, and time of change where that is known."""
    if "://" not in path:
        status = Path(path).stat()
        return [str(Path(path).resolve()), status.st_size, status.st_mtime_ns]
    with _reached(path):
        system, name = url_to_fs(path)
        info = system.info(name)
    return [path, info.get("size"), str(info.get("mtime") or info.get("ETag") or info.get("updated") or "")]


def _last_end(data: bytes, quoted: bool) -> int:
    if not (quoted and b'"' in data):
        return data.rfind(b"\n") + 1
    ends = record_ends(data, quoted)
    return int(ends[-1]) if len(ends) else 0


def _check_text(chunk: bytes, path: str) -> None:
    if b"\0" in chunk[:4096]:
        raise UserError("the file is binary, not text", where=path, do="name the raw file as it was published")


def _chunks(path: str) -> Iterator[bytes]:
    """Decompressed bytes, read ahead by a thread."""
    with _errors(path), _open(path) as file:
        yield from ahead(iter(partial(file.read, BLOCK_BYTES), b""))


def ahead(made: Iterator[Made]) -> Iterator[Made]:
    """The same, each made by a thread while the one before it is worked on."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, made, None)
        while (one := following.result()) is not None:
            following = pool.submit(next, made, None)
            yield one


@contextmanager
def _open(path: str) -> Generator[Any]:
    opened: Any = fsspec.open(path, "rb")
    with opened as start:
        head = start.read(2)
    if not head:
        raise UserError("the file is empty", where=path, do="fetch it again")
    with opened as raw:
        kind = MAGIC.get(head)
        yield pa.CompressedInputStream(raw, kind) if kind else raw


@contextmanager
def _reached(address: str) -> Generator[None]:
    """Say what an address lacks: a package for its kind, or an answer."""
    try:
        yield
    except ImportError as error:
        do = "install it (s3fs for s3://, gcsfs for gs://, aiohttp for https://), or fetch the files yourself"
        raise UserError(f"an address of this kind needs a package ({error})", where=address, do=do) from error
    except (OSError, ValueError) as error:
        do = "give a path, or an address that fsspec knows and that can be reached"
        raise UserError(f"the address cannot be reached ({error})", where=address, do=do) from error


@contextmanager
def _errors(path: str) -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UserError("there is no such file", where=path, do="give the raw file's path") from error
    except (OSError, EOFError, ValueError, ImportError) as error:
        raise UserError(
            f"the file cannot be read to its end ({error})", where=path, do="fetch it again; it may be cut off"
        ) from error
