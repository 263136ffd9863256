"""Hierarchical merge (HierMerge): S_t from S_{t-1} and a short-term persona of W_t."""

from deeper.engine import Prompt
from deeper.persona.prompts.templates import Prompts
from deeper.persona.update_input import UpdateInput

SHORT_TERM = True


def update(prompts: Prompts, seen: UpdateInput) -> Prompt:
    """Ask for S_t."""
    texts = {"persona": seen.persona, "short_term": seen.short_term}
    return prompts.render("merge", seen.domain, seen.max_tokens, **texts)
