"""S_{t-1} and the discrepancy of W_t (DEEPER's paradigm)."""

from deeper.engine import Prompt
from deeper.persona.prompts.item_lines import discrepancy_lines
from deeper.persona.prompts.templates import Prompts
from deeper.persona.update_input import Case


def update(prompts: Prompts, case: Case) -> Prompt:
    """Ask for S_t."""
    lines = discrepancy_lines(case.windows[-1], case.predicted, case.domain)
    return prompts.render("refine", case.domain, case.max_tokens, persona=case.persona, discrepancies=lines)
