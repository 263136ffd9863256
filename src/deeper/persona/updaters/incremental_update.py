"""Incremental update (IncUpdate): S_t from S_{t-1} and W_t."""

from deeper.engine import Prompt
from deeper.persona.prompts.templates import Prompts
from deeper.persona.update_input import UpdateInput


def update(prompts: Prompts, seen: UpdateInput) -> Prompt:
    """Ask for S_t."""
    lines = prompts.ratings(seen.windows[-1:], seen.domain, len(seen.windows))
    return prompts.render("incremental_update", seen.domain, seen.max_tokens, persona=seen.persona, ratings=lines)
