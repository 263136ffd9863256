"""What pairs are made of: contexts with their distinct rewarded directions, of one run or of several together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from deeper.domains import Domain
from deeper.engine import Prompt
from deeper.errors import UserError
from deeper.learning.preferences.directions import refine_prompt
from deeper.learning.preferences.gains import by_context, context_key
from deeper.persona.prompts.templates import Prompts


@dataclass(frozen=True)
class Rewarded:
    """A direction that can stand in a pair."""

    id: str
    text: str
    r: float
    leaks: bool


@dataclass(frozen=True)
class Case:
    """A context with its distinct rewarded directions, in the order of the samples."""

    domain: str
    user: str
    k: int
    parent: str
    prompt: Prompt
    directions: tuple[Rewarded, ...]

    @property
    def place(self) -> tuple[Any, ...]:
        """What orders cases, and tells two apart."""
        return self.domain, self.user, self.k, self.parent, self.prompt.system, self.prompt.user


def cases(
    contexts: pa.Table,
    directions: pa.Table,
    rewards: pa.Table,
    prompts: Prompts,
    max_tokens: int,
    domains: Mapping[str, Domain],
) -> tuple[list[Case], Counter[str]]:
    """The contexts of a run with the directions that can stand in a pair.

    Args:
        contexts: `CONTEXT` rows.
        directions: `DIRECTION` rows.
        rewards: `REWARD` rows of all of them.
        prompts: The templates that they were sampled with.
        max_tokens: Length limit that they were sampled with.
        domains: By id.

    Returns:
        The cases, and how many directions were left out: `failed` (no text), `duplicate` (of an earlier sample, or of
        the old persona) and `unrewarded`.

    Raises:
        UserError: A direction has no row of rewards.
    """
    r: dict[Any, Any] = dict(zip(rewards["direction_id"].to_pylist(), rewards["r"].to_pylist(), strict=True))
    if missing := sum(name not in r for name in directions["id"].to_pylist()):
        raise UserError(f"{missing} directions have no row in the rewards", do="run deeper reward again")
    groups, left_out, found = by_context(directions), Counter(failed=0, duplicate=0, unrewarded=0), list[Case]()
    for context in contexts.to_pylist():
        kept: list[Rewarded] = []
        for row in groups.get(context_key(context), []):
            if row["failure"]:
                left_out["failed"] += 1
            elif row["duplicate"]:
                left_out["duplicate"] += 1
            elif r[row["id"]] is None:
                left_out["unrewarded"] += 1
            else:
                kept.append(Rewarded(row["id"], row["text"], r[row["id"]], bool(row["leaks"])))
        prompt = refine_prompt(context, prompts, max_tokens, domains[context["domain"]])
        names = {name: context[name] for name in ("domain", "user", "k", "parent")}
        found.append(Case(**names, prompt=prompt, directions=tuple(kept)))
    return found, left_out


def pooled(runs: Sequence[Sequence[Case]]) -> tuple[list[Case], int]:
    """The cases of several runs, in order of domain, user, k and parent.

    A context that several runs have, with the same prompt, is one case with the directions of all; a text that an
    earlier run has in it is left out.

    Returns:
        The cases, and how many directions were left out.
    """
    found: dict[tuple[Any, ...], Case] = {}
    repeated = 0
    for case in (case for run in runs for case in run):
        earlier = found.setdefault(case.place, replace(case, directions=()))
        texts = {direction.text for direction in earlier.directions}
        new = tuple(direction for direction in case.directions if direction.text not in texts)
        repeated += len(case.directions) - len(new)
        found[case.place] = replace(earlier, directions=earlier.directions + new)
    return [found[place] for place in sorted(found)], repeated
