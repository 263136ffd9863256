"""Slide regeneration (SlideRegen): S_t from W_t alone."""

from deeper.engine import Prompt
from deeper.persona.prompts.templates import Prompts
from deeper.persona.update_input import UpdateInput, initial_prompt


def update(prompts: Prompts, seen: UpdateInput) -> Prompt:
    """Ask for S_t."""
    return initial_prompt(prompts, seen.domain, seen.windows[-1:], seen.max_tokens)
