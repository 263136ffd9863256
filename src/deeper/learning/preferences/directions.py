"""Samples directions: N candidate personas for each context from the policy. Failures are kept as rows."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from deeper.domains import Domain
from deeper.engine import Completion, Engine, Prompt, Sampling, may_answer_later
from deeper.learning.preferences.recipe import SAMPLE_RECIPE
from deeper.learning.preferences.schema import DIRECTION
from deeper.persona.leaks import find_leaks
from deeper.persona.prompts.templates import Prompts
from deeper.persona.stage_settings import stage_settings
from deeper.persona.update_input import update_input
from deeper.persona.updaters import Updaters, prompt_of
from deeper.storage.stage import Stage


@dataclass(frozen=True)
class Sampler:
    """A policy, and how directions are sampled from it.

    Attributes:
        engine: The engine.
        prompts: The templates.
        max_tokens: Length limit of a direction, in tokens.
        directions: N, the number of directions of each context.
        temperature: Sampling temperature, above 0.
        seed: Seed of the samples.
        updaters: Make the prompts.
    """

    engine: Engine
    prompts: Prompts
    max_tokens: int
    directions: int
    temperature: float
    seed: int
    updaters: Updaters


def sample(table: pa.Table, sampler: Sampler, domains: Mapping[str, Domain]) -> pa.Table:
    """Sample N directions of each context: `CONTEXT` to `DIRECTION` rows.

    The prompt is that of the context's updater; the engine computes it once for the N samples. A failed call gives N
    rows that say why.
    """
    rows = table.to_pylist()
    prompts = [
        direction_prompt(row, sampler.prompts, sampler.max_tokens, domains[row["domain"]], sampler.updaters)
        for row in rows
    ]
    sampling = Sampling(sampler.max_tokens, sampler.temperature, sampler.directions, sampler.seed)
    completions = sampler.engine.generate(prompts, sampling)
    fingerprint = sampler.engine.fingerprint
    out = [
        direction
        for row, completion in zip(rows, completions, strict=True)
        for direction in _directions(row, completion, sampler, fingerprint)
    ]
    return pa.Table.from_pylist(out, schema=DIRECTION)


def direction_prompt(
    context: Mapping[str, Any], prompts: Prompts, max_tokens: int, domain: Domain, updaters: Updaters
) -> Prompt:
    """What the updater of a `CONTEXT` row asks the policy for; nothing of the future windows is in it."""
    seen = update_input(context, domain, max_tokens, context["short_term"])
    return prompt_of(updaters[context["method"]], prompts, seen)


def sample_stage(sampler: Sampler, domains: Mapping[str, Domain]) -> Stage:
    """The stage of a run in which directions are sampled: `CONTEXT` to `DIRECTION` rows."""
    return Stage(
        name="sample",
        function=partial(sample, sampler=sampler, domains=domains),
        schema=DIRECTION,
        settings=stage_settings(
            sampler.engine,
            sampler.prompts,
            domains,
            sampler.seed,
            max_tokens=sampler.max_tokens,
            directions=sampler.directions,
            temperature=sampler.temperature,
        ),
        shard_rows=SAMPLE_RECIPE.rows,
        ask_again=["user", "domain", "k", "parent", "method"] if may_answer_later(sampler.engine) else [],
    )


def _directions(
    context: Mapping[str, Any], completion: Completion, sampler: Sampler, fingerprint: str
) -> list[dict[str, Any]]:
    titles = frozenset(item["title"] for window in context["windows"] for item in window)
    seen = {context["persona"]}
    rows: list[dict[str, Any]] = []
    for number in range(sampler.directions):
        text = "" if completion.failure else " ".join(completion.texts[number].split())
        row: dict[str, Any] = {
            **{key: context[key] for key in ("user", "domain", "k", "parent", "method")},
            "sample": number,
            "text": text,
            "engine": fingerprint,
            "prompt_version": sampler.prompts.version,
            "seed": sampler.seed,
            "tokens": 0 if completion.failure else completion.tokens[number],
            "leaks": find_leaks(text, titles),
            "duplicate": bool(text) and text in seen,
            "failure": completion.failure or ("" if text else "the engine gave an empty text"),
        }
        seen.add(text)
        rows.append({"id": _direction_id(row), **row})
    return rows


def _direction_id(row: Mapping[str, Any]) -> str:
    """Content hash of a direction: user, engine, prompt and text; 16 hexadecimal digits."""
    fields = ("user", "domain", "k", "parent", "method", "sample", "text", "engine", "prompt_version", "seed")
    return hashlib.blake2b("\x1f".join(str(row[field]) for field in fields).encode(), digest_size=8).hexdigest()
