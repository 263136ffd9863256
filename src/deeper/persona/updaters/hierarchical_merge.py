"""S_{t-1} and a short-term persona of W_t (HierMerge)."""

from deeper.engine import Prompt
from deeper.persona.prompts.templates import Prompts
from deeper.persona.update_input import Case

SHORT_TERM = True


def update(prompts: Prompts, case: Case) -> Prompt:
    """Ask for S_t."""
    texts = {"persona": case.persona, "short_term": case.short_term}
    return prompts.render("merge", case.domain, case.max_tokens, **texts)
