"""The updaters: each is one function from what it may see to the prompt that asks for the next persona."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deeper.domains import Domain
from deeper.engine import Prompt
from deeper.persona.prompts import Item, Prompts, discrepancy_lines, rating_lines

Window = Sequence[Item]


@dataclass(frozen=True)
class Case:
    """What can be known at round t.

    Attributes:
        domain: The domain.
        persona: The text of S_{t-1}.
        windows: W_0..W_t.
        predicted: Calibrated points of W_t predicted from S_{t-1}; None if the prediction failed.
        short_term: A persona of W_t alone; given to updaters in `MERGING`.
        max_tokens: Length limit of the new persona, in tokens.
    """

    domain: Domain
    persona: str
    windows: Sequence[Window]
    predicted: Sequence[float] | None
    short_term: str
    max_tokens: int


Updater = Callable[[Prompts, Case], Prompt]


def describe(prompts: Prompts, domain: Domain, windows: Sequence[Window], max_tokens: int) -> Prompt:
    """Ask for a persona of the given windows alone."""
    items = [item for window in windows for item in window]
    return prompts.render("initialise", domain, max_tokens, ratings=rating_lines(items, domain))


def refine(prompts: Prompts, case: Case) -> Prompt:
    """S_{t-1} and the discrepancy of W_t (DEEPER's paradigm)."""
    lines = discrepancy_lines(case.windows[-1], case.predicted, case.domain)
    return prompts.render("refine", case.domain, case.max_tokens, persona=case.persona, discrepancies=lines)


def incremental_update(prompts: Prompts, case: Case) -> Prompt:
    """S_{t-1} and W_t (IncUpdate)."""
    lines = rating_lines(case.windows[-1], case.domain)
    return prompts.render("incremental_update", case.domain, case.max_tokens, persona=case.persona, ratings=lines)


def hierarchical_merge(prompts: Prompts, case: Case) -> Prompt:
    """S_{t-1} and a short-term persona of W_t (HierMerge)."""
    texts = {"persona": case.persona, "short_term": case.short_term}
    return prompts.render("merge", case.domain, case.max_tokens, **texts)


def full_regeneration(prompts: Prompts, case: Case) -> Prompt:
    """W_0..W_t (FullRegen)."""
    return describe(prompts, case.domain, case.windows, case.max_tokens)


def slide_regeneration(prompts: Prompts, case: Case) -> Prompt:
    """W_t alone (SlideRegen)."""
    return describe(prompts, case.domain, case.windows[-1:], case.max_tokens)


UPDATERS: Mapping[str, Updater] = {
    updater.__name__: updater
    for updater in (refine, incremental_update, hierarchical_merge, full_regeneration, slide_regeneration)
}
MERGING = frozenset({"hierarchical_merge"})
"""Updaters that need a short-term persona of W_t first."""
