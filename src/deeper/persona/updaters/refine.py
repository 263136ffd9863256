"""S_{t-1} and the discrepancy of W_t (DEEPER's paradigm)."""

from deeper.engine import Prompt
from deeper.persona.case import Case
from deeper.persona.prompts import Prompts, discrepancy_lines


def update(prompts: Prompts, case: Case) -> Prompt:
    """Ask for S_t."""
    lines = discrepancy_lines(case.windows[-1], case.predicted, case.domain)
    return prompts.render("refine", case.domain, case.max_tokens, persona=case.persona, discrepancies=lines)
