"""Contexts with their distinct rewarded directions, of one run or of several together; pairs are made of these."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from deeper.domains import Domain
from deeper.engine import Prompt
from deeper.errors import UserError
from deeper.learning.preferences.directions import direction_prompt
from deeper.learning.preferences.gains import by_context, context_key
from deeper.persona.prompts.templates import Prompts
from deeper.persona.updaters import Updaters

LeftOut = dict[str, Counter[str]]
"""The number of directions left out, by updater and reason."""


@dataclass(frozen=True)
class RewardedDirection:
    """A direction that may be in a pair."""

    id: str
    text: str
    r: float
    leaks: bool


@dataclass(frozen=True)
class RewardedContext:
    """A context with its distinct rewarded directions, in the order of the samples."""

    domain: str
    user: str
    k: int
    parent: str
    method: str
    prompt: Prompt
    directions: tuple[RewardedDirection, ...]

    @property
    def key(self) -> tuple[Any, ...]:
        """Identifies the context and its prompt; contexts are sorted by it."""
        return self.domain, self.user, self.k, self.parent, self.method, self.prompt.system, self.prompt.user


def rewarded_contexts(
    contexts: pa.Table,
    directions: pa.Table,
    rewards: pa.Table,
    prompts: Prompts,
    max_tokens: int,
    domains: Mapping[str, Domain],
    updaters: Updaters,
) -> tuple[list[RewardedContext], LeftOut]:
    """The contexts of a run, each with the directions that may be in a pair.

    Args:
        contexts: `CONTEXT` rows.
        directions: `DIRECTION` rows.
        rewards: `REWARD` rows of all of them.
        prompts: The templates that the directions were sampled with.
        max_tokens: The length limit that they were sampled with, in tokens.
        domains: The domains, by id.
        updaters: The updaters that asked for them.

    Returns:
        The contexts, and the number of directions left out, by updater: `failed` (no text), `duplicate` (repeats an
        earlier sample or the old persona) and `unrewarded`.

    Raises:
        UserError: A direction has no row in the rewards.
    """
    r: dict[Any, Any] = dict(zip(rewards["direction_id"].to_pylist(), rewards["r"].to_pylist(), strict=True))
    if missing := sum(name not in r for name in directions["id"].to_pylist()):
        raise UserError(f"{missing} directions have no row in the rewards", do="run deeper reward again")
    groups = by_context(directions)
    left_out: LeftOut = {method: Counter(failed=0, duplicate=0, unrewarded=0) for method in updaters}
    found: list[RewardedContext] = []
    for context in contexts.to_pylist():
        kept: list[RewardedDirection] = []
        for row in groups.get(context_key(context), []):
            if row["failure"]:
                left_out[context["method"]]["failed"] += 1
            elif row["duplicate"]:
                left_out[context["method"]]["duplicate"] += 1
            elif r[row["id"]] is None:
                left_out[context["method"]]["unrewarded"] += 1
            else:
                kept.append(RewardedDirection(row["id"], row["text"], r[row["id"]], bool(row["leaks"])))
        prompt = direction_prompt(context, prompts, max_tokens, domains[context["domain"]], updaters)
        names = {name: context[name] for name in ("domain", "user", "k", "parent", "method")}
        found.append(RewardedContext(**names, prompt=prompt, directions=tuple(kept)))
    return found, left_out


def pool_runs(runs: Sequence[Sequence[RewardedContext]]) -> tuple[list[RewardedContext], Counter[str]]:
    """Merge the contexts of several runs, sorted by domain, user, k, parent and updater.

    A context that several runs have with the same prompt becomes one, with the directions of all. A text that an
    earlier run already has there is left out.

    Returns:
        The contexts, and the number of directions left out by updater.
    """
    found: dict[tuple[Any, ...], RewardedContext] = {}
    repeated: Counter[str] = Counter()
    for one in (one for run in runs for one in run):
        earlier = found.setdefault(one.key, replace(one, directions=()))
        texts = {direction.text for direction in earlier.directions}
        new = tuple(direction for direction in one.directions if direction.text not in texts)
        repeated[one.method] += len(one.directions) - len(new)
        found[one.key] = replace(earlier, directions=earlier.directions + new)
    return [found[key] for key in sorted(found)], repeated
