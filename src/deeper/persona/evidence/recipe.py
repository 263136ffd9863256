"""The numbers that decide what counts as evidence. Adapters were trained with these values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EvidenceRecipe:
    """What is told of a user's ratings.

    Attributes:
        era_starts: First year of the eighties, of the nineties and of newer items; what came before is old.
        kind_characters: A longer category is no kind.
        kind_min_titles: Distinct titles that a kind needs before it is told.
        kind_deviations: Possible standard deviations of the effects of kinds, in units of a user's own noise.
        category_weights: How many users have each of these deviations, if kinds are categories; sums to 1.
        word_weights: The same if kinds are words and decades of titles.
        noise: Standard deviation of a user's ratings around level and kinds, as a share of the scale's range.
        noise_weight: How many ratings `noise` counts as.
        clear, hedged: A kind is told as clear, or hedged, if the sign of its effect is at least this sure.
        max_kinds: Most kinds that are told on either side.
        drift: Smallest change of the middle from the old persona to the new window that is told, as a share of the
            scale's range.
        worst_part: Part of the scale's range, from its minimum, in which a rating counts as low.
        spread_starts: Mean absolute deviation (share of the scale's range) at which each next level of spread starts;
            about the quartiles of real users.
        best_starts: Share of top ratings at which each next level of "how often" starts.
        worst_starts: The same for low ratings.
        known_starts: Number of windows at which a user counts as known for a while, and as long known.
    """

    era_starts: tuple[int, int, int] = (1980, 1990, 2000)
    kind_characters: int = 40
    kind_min_titles: int = 2
    kind_deviations: tuple[float, ...] = (0.05, 0.15, 0.3, 0.6, 1.2)
    category_weights: tuple[float, ...] = (0.02, 0.4, 0.54, 0.03, 0.01)
    word_weights: tuple[float, ...] = (0.73, 0.01, 0.1, 0.15, 0.01)
    noise: float = 0.22
    noise_weight: float = 8.0
    clear: float = 0.9
    hedged: float = 0.75
    max_kinds: int = 4
    drift: float = 0.11
    worst_part: float = 0.25
    spread_starts: tuple[float, ...] = (0.06, 0.12, 0.18)
    best_starts: tuple[float, ...] = (0.03, 0.2, 0.5)
    worst_starts: tuple[float, ...] = (0.015, 0.12, 0.5)
    known_starts: tuple[int, int] = (2, 4)


EVIDENCE = EvidenceRecipe()
"""The recipe of all evidence."""
