"""The numbers that shape directions, pairs, and whether a reward may be learnt from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SampleRecipe:
    """How directions are sampled.

    Attributes:
        rows: Contexts that are sampled for at once. Another number gives other batches, and so other samples.
    """

    rows: int = 8


@dataclass(frozen=True)
class PairRecipe:
    """How rewards are compared.

    Attributes:
        reward_tolerance: Rewards closer than this are equal: sums of the same errors in another order differ in their
            last digits.
    """

    reward_tolerance: float = 1e-9


@dataclass(frozen=True)
class RewardRecipe:
    """When a reward is trusted, and how errors without the level are computed.

    Attributes:
        min_reliability: Least reliability, 0 to 1. Below it a reward is mostly luck: its correlation with the true
            reward is under √0.2 = 0.45.
        min_users: Least users with a reward; an interval that resamples fewer says little.
        rescored_tolerance: Largest |r_prev| + |r_curr| + |r_fut|, by CRPS and as a share of the scale's range, that the
            old persona may get when it is scored again among the directions. An engine whose answers depend on the rest
            of the batch exceeds it.
        least_weight: Least probability of a label when a distribution is moved to another level (`window_errors`).
            A point has no other label to move to.
    """

    min_reliability: float = 0.2
    min_users: int = 16
    rescored_tolerance: float = 0.01
    least_weight: float = 1e-9


SAMPLE_RECIPE = SampleRecipe()
"""The recipe of all directions."""
PAIR_RECIPE = PairRecipe()
"""The recipe of all pairs."""
REWARD_RECIPE = RewardRecipe()
"""The recipe of all rewards."""
