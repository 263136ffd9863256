"""The stages that write personas: initialise, update, and the controls. Each maps a table to a table."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import pyarrow as pa

from deeper.domains import Domain
from deeper.engine import may_answer_later
from deeper.persona.describer.describe import describe
from deeper.persona.describer.recipe import words_within
from deeper.persona.describer.updated_facts import facts_after_updates
from deeper.persona.leaks import find_leaks
from deeper.persona.prompts.item_lines import Item, rating_lines
from deeper.persona.recipe import RECIPE
from deeper.persona.schema import PERSONA
from deeper.persona.stage_settings import stage_settings
from deeper.persona.update_input import initial_prompt, update_input
from deeper.persona.updaters import Updaters, needs_short_term, prompt_of
from deeper.persona.write import Draft, Writer, Written, persona_id, persona_row, write
from deeper.storage.stage import Stage

HISTORY_ONLY, DESCRIBED = "history_only", "described"
CONTROL_METHODS = (HISTORY_ONLY, "no_persona", "raw_history", DESCRIBED)
"""The controls: methods whose rows in the table of personas hold no text of the policy."""
DESCRIBED_SEED = 1
"""Seed of the phrasings of `described`: the same in all runs, so a table shows one text for the same ratings."""

UPDATE_KEYS = ("user", "domain", "method", "k", "candidate")
"""The columns that identify an update, and in a search a candidate."""


class Write(Protocol):
    """A function that writes personas, such as `initialise` or `update`."""

    def __call__(self, table: pa.Table, writer: Writer, domains: Mapping[str, Domain]) -> pa.Table:
        """Write the personas that the rows ask for."""
        ...


def initialise(table: pa.Table, writer: Writer, domains: Mapping[str, Domain]) -> pa.Table:
    """Write S_0 from W_0: `UPDATE_INPUT` to `PERSONA`."""
    rows = table.to_pylist()
    drafts = [_short_draft(writer, domains, row, row["windows"][:1]) for row in rows]
    return _personas(writer, rows, write(writer, drafts))


def short_term(table: pa.Table, writer: Writer, domains: Mapping[str, Domain]) -> pa.Table:
    """Write short-term personas, from W_k alone: `UPDATE_INPUT` to `PERSONA`."""
    rows = table.to_pylist()
    drafts = [_short_draft(writer, domains, row, row["windows"][-1:]) for row in rows]
    return _personas(writer, rows, write(writer, drafts), stage="short_term")


def update(table: pa.Table, writer: Writer, domains: Mapping[str, Domain], updaters: Updaters) -> pa.Table:
    """Write S_k from S_{k-1} and behaviour, by the updater that each row names: `UPDATE_INPUT` to `PERSONA`.

    The short-term personas that some updaters need come first in the output.
    """
    rows = table.to_pylist()
    short_term = {name for name, updater in updaters.items() if needs_short_term(updater)}
    merging = [row for row in rows if row["method"] in short_term]
    others = [row for row in rows if row["method"] not in short_term]
    short_drafts = [_short_draft(writer, domains, row, row["windows"][-1:]) for row in merging]
    written = write(writer, short_drafts + [_draft(writer, domains, updaters, row) for row in others])
    short, final = written[: len(merging)], written[len(merging) :]
    pairs = zip(merging, short, strict=True)
    merged = write(writer, [_draft(writer, domains, updaters, row, one.text) for row, one in pairs])
    return pa.concat_tables(
        [
            _personas(writer, merging, short, stage="short_term"),
            _personas(writer, others + merging, final + merged),
        ]
    )


def controls(table: pa.Table, domains: Mapping[str, Domain], max_tokens: int) -> pa.Table:
    """Make the controls that take a persona's place: `UPDATE_INPUT` to `PERSONA`, without an engine.

    The text of `no_persona` and `history_only` is empty. The text of `raw_history` lists the last ratings of W_0..W_k.
    The text of `described` is the describer's, of the facts after an update with each of W_0..W_k; no model counts its
    tokens.

    Args:
        table: The controls to make.
        domains: By id.
        max_tokens: Length limit of a persona, in tokens.
    """
    rows: list[dict[str, Any]] = []
    for row in table.to_pylist():
        domain = domains[row["domain"]]
        is_described = row["method"] == DESCRIBED
        text = _described(row["windows"], domain, max_tokens) if is_described else ""
        if row["method"] == "raw_history":
            items: list[Item] = [item for window in row["windows"] for item in window]
            text = rating_lines(items[-RECIPE.raw_history_items :], domain)
        out: dict[str, Any] = {
            **{key: row[key] for key in ("user", "domain", "method", "k")},
            **{"stage": "final", "text": text, "parent": None, "engine": "", "prompt_version": ""},
            "seed": DESCRIBED_SEED if is_described else 0,
        }
        leaks = find_leaks(text, _titles(row)) if is_described else []
        rows.append({"id": persona_id(out), **out, "tokens": 0, "leaks": leaks, "failure": ""})
    return pa.Table.from_pylist(rows, schema=PERSONA)


def _described(windows: Sequence[Sequence[Item]], domain: Domain, max_tokens: int) -> str:
    known, most = facts_after_updates(windows, domain), words_within(max_tokens)
    return describe(known, windows, domain, seed=DESCRIBED_SEED, max_words=most, in_order=True)


def write_stage(
    name: str,
    function: Write,
    writer: Writer,
    domains: Mapping[str, Domain],
    *,
    schema: pa.Schema = PERSONA,
) -> Stage:
    """Make a stage in which a policy writes personas.

    Args:
        name: The stage's name in the run.
        function: Writes the personas. Bind its updaters with `partial`: their code is then part of the shard's key.
        writer: The policy.
        domains: By id.
        schema: Schema of the output.
    """
    return Stage(
        name=name,
        function=partial(function, writer=writer, domains=domains),
        schema=schema,
        settings=stage_settings(writer.engine, writer.prompts, domains, writer.seed, max_tokens=writer.max_tokens),
        shard_rows=RECIPE.write_rows,
        ask_again=[name for name in UPDATE_KEYS if name in schema.names] if may_answer_later(writer.engine) else [],
    )


def _short_draft(
    writer: Writer, domains: Mapping[str, Domain], row: Mapping[str, Any], windows: Sequence[Sequence[Item]]
) -> Draft:
    """The draft of a persona that is written only from some windows."""
    return Draft(initial_prompt(writer.prompts, domains[row["domain"]], windows, writer.max_tokens), _titles(row))


def _draft(
    writer: Writer, domains: Mapping[str, Domain], updaters: Updaters, row: Mapping[str, Any], short_term: str = ""
) -> Draft:
    seen = update_input(row, domains[row["domain"]], writer.max_tokens, short_term)
    return Draft(prompt_of(updaters[row["method"]], writer.prompts, seen), _titles(row), row["persona"])


def _titles(row: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(item["title"] for window in row["windows"] for item in window)


def _personas(
    writer: Writer, rows: Sequence[Mapping[str, Any]], written: Sequence[Written], stage: str = "final"
) -> pa.Table:
    names = ("user", "domain", "method", "k", "parent")
    out = [
        persona_row(writer, text, **{key: row[key] for key in names}, stage=stage)
        for row, text in zip(rows, written, strict=True)
    ]
    return pa.Table.from_pylist(out, schema=PERSONA)
