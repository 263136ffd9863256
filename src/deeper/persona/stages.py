"""The writing stages, from table to table: initialise, update, and the controls."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from deeper.behaviour.schema import ITEM
from deeper.domains import Domain
from deeper.persona.prompts.item_lines import Item, rating_lines
from deeper.persona.schema import PERSONA
from deeper.persona.updaters import MERGING, UPDATERS, Case, describe
from deeper.persona.write import Draft, Writer, Written, persona_id, persona_row, write

WINDOWS = pa.list_(pa.list_(ITEM))

UPDATE_INPUT = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("k", pa.int16(), nullable=False),
        pa.field("parent", pa.string()),
        pa.field("persona", pa.string(), nullable=False),
        pa.field("windows", WINDOWS, nullable=False),
        pa.field("predicted", pa.list_(pa.float32())),
    ]
)
"""What an update may see: S_{k-1} (`parent`, `persona`), W_0..W_k and the calibrated points of W_k predicted from
S_{k-1} (null if that prediction failed). For `initialise` only W_0 is there."""
HISTORY_ITEMS = 10


def update_row(
    key: tuple[str, str],
    method: str,
    k: int,
    parent: Mapping[str, Any] | None,
    windows: Sequence[Sequence[Item]],
    predicted: Sequence[float] | None,
) -> dict[str, Any]:
    """One row of `UPDATE_INPUT`: nothing behind W_k is in it.

    Args:
        key: Domain and user.
        method: The updater, or what else writes the persona.
        k: The window that is read.
        parent: The `PERSONA` row S_{k-1}, if there is one.
        windows: The user's windows from W_0 on, at least up to W_k.
        predicted: Calibrated points of W_k predicted from S_{k-1}; None if that prediction failed.
    """
    return {
        "user": key[1],
        "domain": key[0],
        "method": method,
        "k": k,
        "parent": parent["id"] if parent else None,
        "persona": parent["text"] if parent else "",
        "windows": windows[: k + 1],
        "predicted": predicted,
    }


def initialise(table: pa.Table, writer: Writer, domains: Mapping[str, Domain]) -> pa.Table:
    """S_0 from W_0: `UPDATE_INPUT` to `PERSONA`."""
    rows = table.to_pylist()
    drafts = [
        Draft(
            describe(writer.prompts, domains[row["domain"]], row["windows"][:1], writer.max_tokens),
            _titles(row),
        )
        for row in rows
    ]
    return _personas(writer, rows, write(writer, drafts))


def update(table: pa.Table, writer: Writer, domains: Mapping[str, Domain]) -> pa.Table:
    """S_k from S_{k-1} and behaviour, by each row's method: `UPDATE_INPUT` to `PERSONA`.

    Short-term personas that an updater needs stand in the output too, before the personas.
    """
    rows = table.to_pylist()
    merging = [row for row in rows if row["method"] in MERGING]
    short_drafts = [
        Draft(
            describe(writer.prompts, domains[row["domain"]], row["windows"][-1:], writer.max_tokens),
            _titles(row),
        )
        for row in merging
    ]
    plain = [row for row in rows if row["method"] not in MERGING]
    drafts = [_draft(writer, domains, row) for row in plain]
    written = write(writer, short_drafts + drafts)
    short, final = written[: len(merging)], written[len(merging) :]
    merged = write(writer, [_draft(writer, domains, row, s.text) for row, s in zip(merging, short, strict=True)])
    tables = [
        _personas(writer, merging, short, stage="short_term"),
        _personas(writer, plain + merging, final + merged),
    ]
    return pa.concat_tables(tables)


def controls(table: pa.Table, domains: Mapping[str, Domain]) -> pa.Table:
    """Controls in a persona's place, from `UPDATE_INPUT` rows to `PERSONA` rows, without an engine.

    `no_persona` and `history_only` are an empty text; `raw_history` the last 10 ratings of W_0..W_k themselves.
    """
    rows: list[dict[str, Any]] = []
    for row in table.to_pylist():
        domain = domains[row["domain"]]
        items: list[Item] = [item for window in row["windows"] for item in window][-HISTORY_ITEMS:]
        text = rating_lines(items, domain) if row["method"] == "raw_history" else ""
        out: dict[str, Any] = {
            **{key: row[key] for key in ("user", "domain", "method", "k")},
            **{"stage": "final", "text": text, "parent": None, "engine": "", "prompt_version": "", "seed": 0},
        }
        rows.append({"id": persona_id(out), **out, "tokens": 0, "leaks": [], "failure": ""})
    return pa.Table.from_pylist(rows, schema=PERSONA)


def _draft(writer: Writer, domains: Mapping[str, Domain], row: dict[str, Any], short_term: str = "") -> Draft:
    case = Case(
        domain=domains[row["domain"]],
        persona=row["persona"],
        windows=row["windows"],
        predicted=row["predicted"],
        short_term=short_term,
        max_tokens=writer.max_tokens,
    )
    return Draft(UPDATERS[row["method"]](writer.prompts, case), _titles(row), row["persona"])


def _titles(row: dict[str, Any]) -> frozenset[str]:
    return frozenset(item["title"] for window in row["windows"] for item in window)


def _personas(
    writer: Writer, rows: Sequence[dict[str, Any]], written: Sequence[Written], stage: str = "final"
) -> pa.Table:
    out = [
        persona_row(
            writer,
            text,
            **{key: row[key] for key in ("user", "domain", "method", "k", "parent")},
            stage=stage,
        )
        for row, text in zip(rows, written, strict=True)
    ]
    return pa.Table.from_pylist(out, schema=PERSONA)
