"""The numbers that decide what the describer says. Adapters were trained with these values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DescriberRecipe:
    """What the describer says, and how often.

    Attributes:
        max_words: Default length limit of a text, in words.
        words_per_five_tokens: Length limit of a text in words, for each 5 tokens of the persona's limit.
        fact_share: Chance that a text that may leave facts out states one.
        first_wording_weight: Weight of the first wording of a level; each other wording weighs 1. The prompts use the
            first wording, and a small model repeats what it has read. The others keep it from learning one form only.
        attempts: Phrasings tried before kinds are left out, and again before only the verdict is left, because a title
            or a rating stands in the text.
        slowest: An update moves 1/windows of the way, but at least 1/slowest.
    """

    max_words: int = 70
    words_per_five_tokens: int = 3
    fact_share: float = 0.9
    first_wording_weight: int = 4
    attempts: int = 5
    slowest: int = 3


DESCRIBER = DescriberRecipe()
"""The recipe that all texts are written with."""


def words_within(max_tokens: int) -> int:
    """Length limit of a describer's text in words, from the limit of a persona in tokens."""
    return max_tokens * DESCRIBER.words_per_five_tokens // 5
