"""Read and write personas of several rounds in the hub layout.

    model_output/<method>/persona_update_<k>.jsonl      records: id, dataset_name, S0, S1, …, P1_0, …

`S<k>` is the persona after window k. Predictions (`P1_0`: window 1 from S0) and other keys are ignored. The public
snapshot does not hold these files; the layout follows the data's public page and the research notes. A record therefore
needs only `id`, `dataset_name` and one persona.
"""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from deeper.behaviour.published.records import require_name, require_text
from deeper.behaviour.published.text_files import json_line, json_records, write_folder
from deeper.domains import find_domain
from deeper.errors import UserError, choose_from

PERSONA_TEXT = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("k", pa.int16(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
    ]
)
"""One persona S_k a row, sorted by (domain, method, user, k)."""

PUBLISHED_METHODS = {
    "refine": "deeper",
    "incremental_update": "incremental_update",
    "hierarchical_merge": "hierarchical_merge",
    "full_regeneration": "full_regeneration",
    "slide_regeneration": "slide_regeneration",
}
"""Our methods and their published names."""

_ALIASES = {
    "refine": "refine",
    "deeper": "refine",
    "incrementalupdate": "incremental_update",
    "incupdate": "incremental_update",
    "hierarchicalmerge": "hierarchical_merge",
    "hiermerge": "hierarchical_merge",
    "fullregeneration": "full_regeneration",
    "fullregen": "full_regeneration",
    "slideregeneration": "slide_regeneration",
    "slideregen": "slide_regeneration",
}
_NAME = re.compile(r"persona_update_[0-9]+\.jsonl")
_KEY = re.compile(r"S([0-9]{1,4})")


def find_method(name: str) -> str:
    """Return our method for a published name ("DEEPER", "IncUpdate", "full_regeneration").

    Raises:
        UserError: No method has that name.
    """
    if method := _ALIASES.get(re.sub(r"[^a-z]", "", name.lower())):
        return method
    raise UserError(f"unknown method {name!r}", do=choose_from(PUBLISHED_METHODS.values(), name))


def read_personas(folder: Path) -> pa.Table:
    """Read all personas below `model_output`.

    Args:
        folder: The folder `model_output`, or the one that holds it.

    Returns:
        A PERSONA_TEXT table. A persona that several files repeat is one row.

    Raises:
        UserError: There are none, a method or domain is unknown, a record lacks a key, or two files differ in a
            persona.
    """
    root = folder / "model_output" if (folder / "model_output").is_dir() else folder
    paths = [path for path in sorted(root.glob("*/*")) if _NAME.fullmatch(path.name)]
    if not paths:
        raise UserError(
            "there are no persona files",
            where=str(root),
            do="name a folder that holds <method>/persona_update_<k>.jsonl",
        )
    texts: dict[tuple[str, str, str, int], tuple[str, str]] = {}
    for path in paths:
        method = _method_of(path)
        for where, record in json_records(path):
            user, domain = require_name(record, "id", where), _domain_id(record, where)
            numbers = [int(match[1]) for key in record if (match := _KEY.fullmatch(key))]
            if not numbers:
                raise UserError("the record has no persona ('S0', 'S1', …)", where=where, do="remove the record")
            for k in numbers:
                text = require_text(record, f"S{k}", where)
                held, held_where = texts.setdefault((domain, method, user, k), (text, where))
                if held != text:
                    raise UserError(
                        f"persona S{k} of user {user!r} differs from that in {held_where}",
                        where=where,
                        do="remove one of the two",
                    )
    rows = [
        {"user": user, "domain": domain, "method": method, "k": k, "text": text}
        for (domain, method, user, k), (text, _) in sorted(texts.items())
    ]
    return pa.Table.from_pylist(rows, schema=PERSONA_TEXT)


def write_personas(personas: pa.Table, folder: Path) -> None:
    """Write personas in the hub layout, atomically; S_k goes to `persona_update_<k>.jsonl`.

    Args:
        personas: A table with the columns of PERSONA_TEXT; others are left out.
        folder: The folder `model_output`, empty or new.

    Raises:
        UserError: There are none, two rows have the same user, method and k, a method has no published name, or the
            folder cannot be written.
    """
    rows: list[dict[str, Any]] = personas.select(PERSONA_TEXT.names).to_pylist()
    if not rows:
        raise UserError("there are no personas to write", where=str(folder))
    seen: set[tuple[str, str, str, int]] = set()
    files: dict[str, str] = {}
    for row in rows:
        persona = (row["user"], row["domain"], row["method"], row["k"])
        if persona in seen:
            raise UserError(f"there are two personas S{row['k']} of user {row['user']!r} by {row['method']}")
        seen.add(persona)
        method = PUBLISHED_METHODS[find_method(row["method"])]
        name = f"{method}/persona_update_{row['k']}.jsonl"
        record = {"id": row["user"], "dataset_name": row["domain"], f"S{row['k']}": row["text"]}
        files[name] = files.get(name, "") + json_line(record)
    write_folder(folder, files)


def _method_of(path: Path) -> str:
    try:
        return find_method(path.parent.name)
    except UserError as error:
        raise UserError(error.what, where=str(path.parent), do=f"rename the folder: {error.do}") from error


def _domain_id(record: dict[str, object], where: str) -> str:
    name = require_text(record, "dataset_name", where)
    try:
        return find_domain(name).id
    except UserError as error:
        raise UserError(error.what, where=where, do=error.do) from error
