"""W_t alone (SlideRegen)."""

from deeper.engine import Prompt
from deeper.persona.case import Case, describe
from deeper.persona.prompts import Prompts


def update(prompts: Prompts, case: Case) -> Prompt:
    """Ask for S_t."""
    return describe(prompts, case.domain, case.windows[-1:], case.max_tokens)
