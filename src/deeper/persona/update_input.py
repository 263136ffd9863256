"""What an updater may see at round t, and the question that asks for a persona of windows alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deeper.domains import Domain
from deeper.engine import Prompt
from deeper.persona.prompts.item_lines import Item, rating_lines
from deeper.persona.prompts.templates import Prompts

Window = Sequence[Item]


@dataclass(frozen=True)
class Case:
    """What can be known at round t.

    Attributes:
        domain: The domain.
        persona: The text of S_{t-1}.
        windows: W_0..W_t.
        predicted: Calibrated points of W_t predicted from S_{t-1}; None if the prediction failed.
        short_term: A persona of W_t alone; given to updaters in `MERGING`.
        max_tokens: Length limit of the new persona, in tokens.
    """

    domain: Domain
    persona: str
    windows: Sequence[Window]
    predicted: Sequence[float] | None
    short_term: str
    max_tokens: int


Updater = Callable[[Prompts, Case], Prompt]


def describe(prompts: Prompts, domain: Domain, windows: Sequence[Window], max_tokens: int) -> Prompt:
    """Ask for a persona of the given windows alone."""
    items = [item for window in windows for item in window]
    return prompts.render("initialise", domain, max_tokens, ratings=rating_lines(items, domain))
