"""The numbers that shape intervals."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MeasureRecipe:
    """How intervals are computed.

    Attributes:
        confidence: Confidence level of an interval, 0 to 1.
        bootstrap_samples: Bootstrap samples of the interval of a correlation; other intervals need none.
    """

    confidence: float = 0.95
    bootstrap_samples: int = 2000


RECIPE = MeasureRecipe()
