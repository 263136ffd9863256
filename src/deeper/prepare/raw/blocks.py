"""Raw files as blocks of whole records: local or remote, plain, gzip or zstd, of any size.

A block ends where a record ends. In CSV, a line end between quotes does not end the record; in JSON lines, every line
end does. A thread reads and decompresses the next block while the caller works on the current one.
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
MAX_RECORD_BYTES = 1 << 26
"""A longer record is a sign of another format, or of a quote that is never closed."""

COMPRESSION_BY_MAGIC: dict[bytes, Literal["gzip", "zstd"]] = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}
QUOTE_BYTE, LINE_END_BYTE = 34, 10
T = TypeVar("T")
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
        path: A local path, or any address that fsspec can open.
        quoted: Whether a line end between double quotes belongs to the record (CSV).

    Raises:
        UserError: The file cannot be opened, is truncated, damaged or binary, or has a record that is too long.
    """
    line, rest = 1, b""
    for number, chunk in enumerate(_chunks(path)):
        if not number:
            _check_text(chunk, path)
        data = rest + chunk if number else chunk.removeprefix(BOM)
        end = _end_of_last_record(data, quoted)
        rest = data[end:]
        lines = data.count(b"\n", 0, end)
        if len(rest) > MAX_RECORD_BYTES:
            raise UserError(
                f"a record is longer than {MAX_RECORD_BYTES >> 20} MiB",
                where=f"{path}, line {line + lines}",
                do="check whether this is the right file, and whether a quote is never closed there",
            )
        if end:
            yield Block(line, data[:end])
            line += lines
    if rest:
        yield Block(line, rest)


def record_ends(data: bytes, quoted: bool) -> NDArray[np.int64]:
    """Return the position after each record's line end; an unfinished last record is left out."""
    characters = np.frombuffer(data, np.uint8)
    is_end = characters == LINE_END_BYTE
    if quoted and b'"' in data:
        # A line end after an even number of quotes is outside quotes. A uint8 may overflow; its parity stays right.
        is_end &= (np.cumsum(characters == QUOTE_BYTE, dtype=np.uint8) & 1) == 0
    return np.flatnonzero(is_end) + 1


def exists(path: str) -> bool:
    """Return whether a file exists at a path or address."""
    if "://" not in path:
        return Path(path).is_file()
    with _address_errors(path):
        system, name = url_to_fs(path)
        return bool(system.exists(name))


def files_below(folder: str) -> list[str]:
    """Return all files below a local or remote folder, sorted by name; links are followed.

    Raises:
        UserError: The folder does not exist or cannot be reached.
    """
    if "://" not in folder:
        if not Path(folder).is_dir():
            what = "this is a file" if Path(folder).is_file() else "there is no such folder"
            raise UserError(what, where=folder, do="name the folder that holds the raw files, or files with --ratings")
        return sorted(os.path.join(at, name) for at, _, names in os.walk(folder, followlinks=True) for name in names)
    with _address_errors(folder):
        system, root = url_to_fs(folder)
        if not system.isdir(root):
            raise UserError("there is no such folder", where=folder, do="name the folder that holds the raw files")
        return [system.unstrip_protocol(path) for path in sorted(system.find(root))]


def file_fingerprint(path: str) -> list[Any]:
    """Return what shows that a file was replaced: its path, its size, and its modification time where known."""
    if "://" not in path:
        status = Path(path).stat()
        return [str(Path(path).resolve()), status.st_size, status.st_mtime_ns]
    with _address_errors(path):
        system, name = url_to_fs(path)
        info = system.info(name)
    return [path, info.get("size"), str(info.get("mtime") or info.get("ETag") or info.get("updated") or "")]


def _end_of_last_record(data: bytes, quoted: bool) -> int:
    if not (quoted and b'"' in data):
        return data.rfind(b"\n") + 1
    ends = record_ends(data, quoted)
    return int(ends[-1]) if len(ends) else 0


def _check_text(chunk: bytes, path: str) -> None:
    if b"\0" in chunk[:4096]:
        raise UserError("the file is binary, not text", where=path, do="name the raw file as it was published")


def _chunks(path: str) -> Iterator[bytes]:
    """Decompressed bytes, which a thread reads ahead."""
    with _read_errors(path), _open(path) as file:
        yield from read_ahead(iter(partial(file.read, BLOCK_BYTES), b""))


def read_ahead(values: Iterator[T]) -> Iterator[T]:
    """Yield the same values; a thread makes the next one while the caller works on the current one."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, values, None)
        while (value := following.result()) is not None:
            following = pool.submit(next, values, None)
            yield value


@contextmanager
def _open(path: str) -> Generator[Any]:
    opened: Any = fsspec.open(path, "rb")
    with opened as start:
        head = start.read(2)
    if not head:
        raise UserError("the file is empty", where=path, do="fetch it again")
    with opened as raw:
        compression = COMPRESSION_BY_MAGIC.get(head)
        yield pa.CompressedInputStream(raw, compression) if compression else raw


@contextmanager
def _address_errors(address: str) -> Generator[None]:
    """Turn what fsspec raises into a message: a package is missing, or the address cannot be reached."""
    try:
        yield
    except ImportError as error:
        do = "install it (s3fs for s3://, gcsfs for gs://, aiohttp for https://), or download the files yourself"
        raise UserError(f"this kind of address needs a package ({error})", where=address, do=do) from error
    except (OSError, ValueError) as error:
        do = "check the address and the connection, or download the files and give a path"
        raise UserError(f"the address cannot be reached ({error})", where=address, do=do) from error


@contextmanager
def _read_errors(path: str) -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UserError("there is no such file", where=path, do="check the path") from error
    except (OSError, EOFError, ValueError, ImportError) as error:
        raise UserError(
            f"the file cannot be read to its end ({error})", where=path, do="fetch it again; it may be truncated"
        ) from error
