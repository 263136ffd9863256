"""The report on whether a reward is real: its types in Python and in `reward.json`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from deeper.errors import UserError
from deeper.learning.preferences.recipe import REWARD_RECIPE, RewardRecipe
from deeper.measure.agreement import Estimate
from deeper.storage.frozen_values import FrozenValues


class Figure(FrozenValues):
    """A number with its 95 % interval; None where it is not defined."""

    value: float | None
    ci: tuple[float | None, float | None]

    @classmethod
    def of(cls, estimate: Estimate) -> "Figure":
        """The figure of an estimate, whose undefined numbers are NaN."""
        value, low, high = (
            None if np.isnan(number) else float(number) for number in (estimate.value, estimate.low, estimate.high)
        )
        return cls(value=value, ci=(low, high))


class MeanDirection(FrozenValues):
    """Reward of the mean direction: in total, and in the previous, current and future window."""

    r: Figure
    r_prev: Figure
    r_curr: Figure
    r_fut: Figure


class HeadRoom(FrozenValues):
    """Gain of the direction that is best on one half of the items, measured on the other half.

    Attributes:
        r: The reward.
        per_rating: The reward for each rating.
        percent: The reward in percent of the old persona's error.
    """

    r: Figure
    per_rating: Figure
    percent: Figure


class Correlations(FrozenValues):
    """Correlations within a context: between the parts of the reward, and of the reward with features of the text."""

    prev_curr: Figure
    prev_fut: Figure
    curr_fut: Figure
    length: Figure
    leaks: Figure
    redundancy: Figure


class RealityOfDomain(FrozenValues):
    """How real the reward is in one domain, or in all domains together.

    Attributes:
        domain: The domain's id, or `all`.
        contexts: Contexts in total.
        contexts_used: Contexts with at least two directions that have a reward from either half of the items.
        users: Users of the contexts used.
        texts: Distinct directions of the contexts used.
        reliability: Reliability of the reward, from the correlation of its halves (Spearman–Brown).
        half_correlation: Correlation of the rewards from the two halves of the items.
        mean_direction: Reward of the mean direction.
        against_old: Head-room of the best direction against the old persona.
        against_mean: Head-room of the best direction against the mean direction.
        against_old_future: `against_old`, in the future window only.
        correlations: Correlations within a context.
        true: Correlation with the reward against noise-free ratings of the other half; only for planted users.
    """

    domain: str
    contexts: int
    contexts_used: int
    users: int
    texts: int
    reliability: Figure
    half_correlation: Figure
    mean_direction: MeanDirection
    against_old: HeadRoom
    against_mean: HeadRoom
    against_old_future: Figure
    correlations: Correlations
    true: Figure | None = None


class Reality(FrozenValues):
    """How real a reward is.

    Attributes:
        overall: All domains together, their errors as shares of the scale's range; the domain itself if there is one.
        by_domain: Each domain, in units of its rating.
    """

    overall: RealityOfDomain
    by_domain: dict[str, RealityOfDomain]

    @property
    def is_trustworthy(self) -> bool:
        """Whether a policy may learn from the reward: enough users, and a high reliability that is surely above 0."""
        value, low = self.overall.reliability.value, self.overall.reliability.ci[0]
        if self.overall.users < REWARD_RECIPE.min_users or value is None or low is None:
            return False
        return value >= REWARD_RECIPE.min_reliability and low > 0

    def as_json(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return self.model_dump(mode="json", exclude_unset=True)


class RewardConfig(FrozenValues):
    """The settings in `reward.json` that decide what the reward is."""

    reward: str
    weights: tuple[float, float, float]


class RewardRecipes(FrozenValues):
    """The recipe in `reward.json` that says when the reward was trusted."""

    reward: RewardRecipe


class RewardReport(FrozenValues):
    """What other commands read of `reward.json`.

    Attributes:
        config: The settings of `deeper reward`.
        predictors: Fingerprints of the predictors.
        counts: Contexts and directions, and how many got no reward.
        trustworthy: Whether a policy may learn from the reward.
        recipes: The recipes that it was made with.
        reality: How real the reward is, by measure (mae, crps).
        examples: Some contexts with their best and worst direction.
    """

    config: RewardConfig
    predictors: list[str]
    counts: dict[str, int]
    trustworthy: bool
    recipes: RewardRecipes
    reality: dict[str, Reality]
    examples: list[dict[str, Any]]

    @property
    def overall(self) -> RealityOfDomain:
        """The reality of the chosen measure over all domains."""
        return self.reality[self.config.reward].overall


def read_reward_report(content: Mapping[str, Any], where: str) -> RewardReport:
    """Check the content of `reward.json`.

    Args:
        content: The JSON object.
        where: The file, for messages.

    Raises:
        UserError: The file is of an earlier version, or damaged.
    """
    try:
        report = RewardReport.model_validate(content)
        if report.config.reward not in report.reality:
            raise ValueError(f"it does not report on {report.config.reward}")
        return report
    except (ValidationError, ValueError) as error:
        raise UserError(
            f"the report on the reward cannot be read ({str(error).splitlines()[0]})",
            where=where,
            do="run deeper reward again; it asks no model for what it has stored",
        ) from error
