"""W_0..W_t (FullRegen)."""

from deeper.engine import Prompt
from deeper.persona.prompts.templates import Prompts
from deeper.persona.update_input import Case, describe


def update(prompts: Prompts, case: Case) -> Prompt:
    """Ask for S_t."""
    return describe(prompts, case.domain, case.windows, case.max_tokens)
