"""S_{t-1} and W_t (IncUpdate)."""

from deeper.engine import Prompt
from deeper.persona.prompts.item_lines import rating_lines
from deeper.persona.prompts.templates import Prompts
from deeper.persona.update_input import Case


def update(prompts: Prompts, case: Case) -> Prompt:
    """Ask for S_t."""
    lines = rating_lines(case.windows[-1], case.domain)
    return prompts.render("incremental_update", case.domain, case.max_tokens, persona=case.persona, ratings=lines)
