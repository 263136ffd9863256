"""Read and write the text files of the published layouts: JSON arrays, JSON lines and CSV."""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from deeper.behaviour.published.records import MAX_CELL_CHARACTERS
from deeper.errors import UserError
from deeper.storage.new_folder import new_folder, not_written


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, with or without a byte order mark.

    Raises:
        UserError: The file cannot be opened, is empty, or is in another encoding.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"the file cannot be read ({error.strerror})", where=str(path), do="check its permissions"
        ) from error
    if not data.strip():
        raise UserError("the file is empty", where=str(path), do="fetch it again, or remove it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            "the file is not in UTF-8",
            where=f"{path}, line {line}",
            do="convert it, for example with iconv -t UTF-8",
        ) from error


def json_records(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the objects of a JSON array or of JSON lines, each after its place ("FILE, line 3").

    Raises:
        UserError: The file is not UTF-8, is empty, or does not hold JSON objects.
    """
    text = read_text(path)
    if text.lstrip().startswith("["):
        values = cast(list[object], _load(text, str(path), 0))
        located = ((f"{path}, record {number}", value) for number, value in enumerate(values, 1))
    else:
        # `splitlines` would also split at U+2028 and the like, which occur in titles.
        lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
        located = ((f"{path}, line {number}", _load(line, str(path), number)) for number, line in lines)
    is_empty = True
    for where, value in located:
        is_empty = False
        if not isinstance(value, dict):
            raise UserError("the record is not a JSON object", where=where, do="write one object a record")
        yield where, cast(dict[str, object], value)
    if is_empty:
        raise UserError("the file holds no records", where=str(path), do="fetch it again, or remove it")


def _load(text: str, path: str, line: int) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        row = line or getattr(error, "lineno", 1)
        raise UserError(
            f"not valid JSON ({error})", where=f"{path}, line {row}", do="correct or remove that line"
        ) from error


def csv_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of a CSV file by column name, each after its place ("FILE, line 3").

    Raises:
        UserError: The file is not UTF-8, is empty, has two columns of the same name, a cell of more than
            `MAX_CELL_CHARACTERS`, or a row with more or fewer cells than the header.
    """
    # This limit holds for the whole process. It is not lowered again, because another thread may be reading.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL_CHARACTERS))
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        header = next(reader)
        if len(set(header)) < len(header):
            raise UserError("two columns have the same name", where=f"{path}, line 1", do="rename one of them")
        is_empty = True
        for row in filter(None, reader):
            is_empty = False
            where = f"{path}, line {reader.line_num}"
            if len(row) != len(header):
                raise UserError(
                    f"the row has {len(row)} cells, the header {len(header)}",
                    where=where,
                    do="correct or remove that row",
                )
            yield where, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise UserError(
            f"not valid CSV ({error})", where=f"{path}, line {reader.line_num}", do="correct or remove that row"
        ) from error
    if is_empty:
        raise UserError("the file holds no records", where=str(path), do="fetch it again, or remove it")


def json_line(record: Mapping[str, object]) -> str:
    """Return a JSON object in the style of the published JSON lines, with its line end."""
    return json.dumps(record, ensure_ascii=False) + "\n"


def json_array(records: Iterable[Mapping[str, object]]) -> str:
    """Return a JSON array with one object a line."""
    return "[\n" + ",\n".join(json_line(record).rstrip("\n") for record in records) + "\n]\n"


def csv_text(rows: list[dict[str, str]]) -> str:
    """Return rows of the same columns in the style of the published CSV files, header first."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_text(path: Path, text: str) -> None:
    """Write a new UTF-8 file, atomically.

    Raises:
        UserError: The file exists, or cannot be written (folder read-only, disk full).
    """
    if path.exists():
        raise UserError("the file exists already", where=str(path), do="choose another name, or remove it")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise not_written(path, error) from error


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write a new folder of UTF-8 files, atomically.

    Args:
        folder: An empty or new folder.
        files: The texts by their paths below the folder.

    Raises:
        UserError: The folder is not empty, or cannot be written (read-only, disk full).
    """
    with new_folder(folder) as staging:
        for name, text in files.items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / name).write_text(text, "utf-8", newline="")
