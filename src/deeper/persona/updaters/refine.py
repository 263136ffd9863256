"""Refinement (DEEPER's paradigm): S_t from S_{t-1} and the discrepancy of W_t."""

from deeper.engine import Prompt
from deeper.persona.prompts.templates import Prompts
from deeper.persona.update_input import UpdateInput


def update(prompts: Prompts, seen: UpdateInput) -> Prompt:
    """Ask for S_t."""
    lines = prompts.discrepancies(seen.windows[-1], seen.predicted, seen.domain, len(seen.windows))
    return prompts.render("refine", seen.domain, seen.max_tokens, persona=seen.persona, discrepancies=lines)
