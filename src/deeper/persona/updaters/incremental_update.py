"""S_{t-1} and W_t (IncUpdate)."""

from deeper.engine import Prompt
from deeper.persona.case import Case
from deeper.persona.prompts import Prompts, rating_lines


def update(prompts: Prompts, case: Case) -> Prompt:
    """Ask for S_t."""
    lines = rating_lines(case.windows[-1], case.domain)
    return prompts.render("incremental_update", case.domain, case.max_tokens, persona=case.persona, ratings=lines)
