"""Incremental update (IncUpdate): S_t from S_{t-1} and W_t."""

from deeper.engine import Prompt
from deeper.persona.prompts.item_lines import rating_lines
from deeper.persona.prompts.templates import Prompts
from deeper.persona.update_input import UpdateInput


def update(prompts: Prompts, seen: UpdateInput) -> Prompt:
    """Ask for S_t."""
    lines = rating_lines(seen.windows[-1], seen.domain)
    return prompts.render("incremental_update", seen.domain, seen.max_tokens, persona=seen.persona, ratings=lines)
