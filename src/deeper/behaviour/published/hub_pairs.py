"""Read and write preference pairs in the two forms that LLaMA-Factory accepts.

    alpaca      {"instruction", "input"?, "system"?, "chosen": text, "rejected": text}
    sharegpt    {"conversations": [message], "system"?, "chosen": message or text, "rejected": …}

A message is `{"from", "value"}` or `{"role", "content"}`. The public snapshot does not hold the published pairs; the
forms follow the public page and LLaMA-Factory's documentation.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from deeper.behaviour.published.records import require, require_text
from deeper.behaviour.published.text_files import json_array, json_records, write_text
from deeper.errors import UserError

PAIR_TEXT = pa.schema(
    [
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("chosen", pa.string(), nullable=False),
        pa.field("rejected", pa.string(), nullable=False),
    ]
)
"""One preference pair a row, in the file's order."""

PAIR_MESSAGES = pa.schema([pa.field("system", pa.string(), nullable=False), *PAIR_TEXT])
"""The same with the system text in its own column; empty if the file has none."""

_HUMAN, _SYSTEM = frozenset({"human", "user"}), frozenset({"system"})


def read_pairs(path: Path) -> pa.Table:
    """Read a JSON array or JSON lines of preference pairs, alpaca or sharegpt, record by record.

    Returns:
        A PAIR_TEXT table. The prompt is the system text, a blank line, the instruction, a line end and the input;
        parts that the record lacks are left out.

    Raises:
        UserError: A required key is missing, a value is not text, or a conversation has several turns.
    """
    rows: list[dict[str, str]] = []
    for row in read_messages(path).to_pylist():
        system, prompt = row.pop("system"), row["prompt"]
        rows.append({**row, "prompt": f"{system}\n\n{prompt}" if system else prompt})
    return pa.Table.from_pylist(rows, schema=PAIR_TEXT)


def read_messages(path: Path) -> pa.Table:
    """Read the same files as `read_pairs`, with the system text in its own column.

    Returns:
        A PAIR_MESSAGES table. The prompt is the instruction, a line end and the input, if there is one.

    Raises:
        UserError: See `read_pairs`.
    """
    rows = [_pair(record, where) for where, record in json_records(path)]
    return pa.Table.from_pylist(rows, schema=PAIR_MESSAGES)


def write_pairs(pairs: pa.Table, path: Path) -> None:
    """Write preference pairs as a new alpaca JSON file, atomically.

    Args:
        pairs: A table with the columns `prompt`, `chosen` and `rejected`; others are left out.
        path: A file that does not exist yet.

    Raises:
        UserError: There are no pairs, or the file exists or cannot be written.
    """
    rows: list[dict[str, Any]] = pairs.select(PAIR_TEXT.names).to_pylist()
    if not rows:
        raise UserError("there are no pairs to write", where=str(path))
    write_text(
        path,
        json_array(
            {"instruction": row["prompt"], "input": "", "chosen": row["chosen"], "rejected": row["rejected"]}
            for row in rows
        ),
    )


def _pair(record: Mapping[str, object], where: str) -> dict[str, str]:
    if "conversations" in record:
        system, prompt = _turns(record["conversations"], where)
    elif "instruction" in record:
        _refuse_history(record, where)
        system = ""
        prompt = "\n".join(filter(None, (require_text(record, "instruction", where), _text(record, "input", where))))
    else:
        raise UserError(
            "the record has neither 'instruction' nor 'conversations'",
            where=where,
            do="write the records in alpaca or sharegpt form",
        )
    system = _text(record, "system", where) or system
    return {
        "system": system,
        "prompt": prompt,
        "chosen": _answer(record, "chosen", where),
        "rejected": _answer(record, "rejected", where),
    }


def _text(record: Mapping[str, object], key: str, where: str) -> str:
    return require_text(record, key, where) if record.get(key) is not None else ""


def _refuse_history(record: Mapping[str, object], where: str) -> None:
    if record.get("history"):
        raise UserError("the pair has earlier turns ('history')", where=where, do="write pairs of one turn")


def _turns(value: object, where: str) -> tuple[str, str]:
    messages = cast(list[object], value) if isinstance(value, list) else []
    turns = [_message(message, where) for message in messages]
    system = turns.pop(0)[1] if turns and turns[0][0] in _SYSTEM else ""
    if len(turns) != 1 or turns[0][0] not in _HUMAN:
        raise UserError(
            "'conversations' is not one human message, after at most one system message",
            where=where,
            do="write pairs of one turn",
        )
    return system, turns[0][1]


def _message(value: object, where: str) -> tuple[str, str]:
    if not isinstance(value, dict):
        raise UserError("a message is not a JSON object", where=where, do="write {'from': …, 'value': …}")
    message = cast(dict[str, object], value)
    role, content = ("role", "content") if "role" in message else ("from", "value")
    return require_text(message, role, where), require_text(message, content, where)


def _answer(record: Mapping[str, object], key: str, where: str) -> str:
    value = require(record, key, where)
    return _message(cast(object, value), where)[1] if isinstance(value, dict) else require_text(record, key, where)
