"""The numbers that decide what the describer says. Adapters were trained with these values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DescriberRecipe:
    """What the describer says, and how often.

    Attributes:
        max_words: Default length limit of a text, in words.
        verdict_first_share: Share of texts that begin with the typical verdict, where the order is free.
        fact_share: Chance that the text states a fact.
        plain_fact_share: Chance that the text states a fact that says nothing changed or nothing is rated low.
        first_wording_weight: Weight of the first wording of a level; each other wording weighs 1. The prompts use the
            first wording, and a small model repeats what it has read. The others keep it from learning one form only.
        attempts: Phrasings tried before kinds are left out, and again before only the verdict is left, because a title
            or a rating stands in the text.
        era_starts: First year of the eighties, of the nineties and of newer items; what came before is old.
        kind_min_titles: Distinct titles that a kind needs before the text may mention it.
        kind_shrinkage_items: Average items that are added to each kind before its effect is computed.
        kind_min_score: Smallest summed deviation of a kind, in standard deviations of such a sum.
        max_kinds: Most kinds that a text names as pleasing, and most that it names as disappointing.
        drift_min_score: Smallest change of the last window, in standard deviations of such a change.
        worst_part: Part of the scale's range, from its minimum, in which a rating counts as low.
        spread_starts: Mean absolute deviation (share of the scale's range) at which each next level of `SPREAD` starts;
            about the quartiles of real users.
        lean_starts: Lean (−1 to 1) at which each next level of `LEAN` starts.
        best_starts: Share of top ratings at which each next level of `OFTEN` starts.
        worst_starts: Share of low ratings at which each next level of `OFTEN` starts.
    """

    max_words: int = 70
    verdict_first_share: float = 0.85
    fact_share: float = 0.9
    plain_fact_share: float = 0.4
    first_wording_weight: int = 4
    attempts: int = 5
    era_starts: tuple[int, int, int] = (1980, 1990, 2000)
    kind_min_titles: int = 3
    kind_shrinkage_items: float = 3.0
    kind_min_score: float = 1.0
    max_kinds: int = 3
    drift_min_score: float = 1.6
    worst_part: float = 0.25
    spread_starts: tuple[float, ...] = (0.06, 0.12, 0.18)
    lean_starts: tuple[float, ...] = (-0.4, -0.15, 0.15, 0.4)
    best_starts: tuple[float, ...] = (0.03, 0.2, 0.5)
    worst_starts: tuple[float, ...] = (0.015, 0.12, 0.5)


DESCRIBER = DescriberRecipe()
"""The recipe that all texts are written with."""
