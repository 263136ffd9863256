"""The report that accompanies preference pairs, `pairs.json`."""

from collections import Counter
from typing import Any

import pyarrow as pa

from deeper.behaviour.users import keys_of
from deeper.learning.preferences.reality_report import Figure
from deeper.storage.frozen_values import FrozenValues


class PairCounts(FrozenValues):
    """The pairs of one set.

    Attributes:
        pairs: Number of pairs.
        users: Number of users.
        of_domain: Pairs by domain.
        of_refinement: Pairs by the number of their refinement, k.
        of_method: Pairs by the updater whose prompt they answer.
        mean_margin: Mean difference of the two rewards; None without pairs or without rewards.
    """

    pairs: int
    users: int
    of_domain: dict[str, int]
    of_refinement: dict[str, int]
    of_method: dict[str, int]
    mean_margin: float | None

    @classmethod
    def of(cls, table: pa.Table) -> "PairCounts":
        """Count `PAIR` rows."""
        rows = table.drop_columns(["prompt", "chosen", "rejected"]).to_pylist()
        margins = [row["r_chosen"] - row["r_rejected"] for row in rows if row["r_chosen"] is not None]
        return cls(
            pairs=len(rows),
            users=len(set(keys_of(table))),
            of_domain=dict(sorted(Counter(row["domain"] for row in rows).items())),
            of_refinement={str(k): n for k, n in sorted(Counter(row["k"] for row in rows).items())},
            of_method=dict(Counter(row["method"] for row in rows)),
            mean_margin=sum(margins) / len(margins) if margins else None,
        )


class PairSource(FrozenValues):
    """Where pairs come from: a run folder, or a published file with only the first two fields.

    Attributes:
        run: Name of the run folder or of the file.
        digest: Identifies its content; 16 hexadecimal digits.
        sampled: Settings of `deeper sample`.
        engines: Fingerprints of the engines that sampled.
        predictors: Fingerprints of the predictors that rewarded.
        reliability: Reliability of the reward over all domains.
        users: Users that the reliability is of.
        trustworthy: Whether a policy may learn from the reward.
    """

    run: str
    digest: str
    sampled: dict[str, Any] | None = None
    engines: dict[str, Any] | None = None
    predictors: list[str] | None = None
    reliability: Figure | None = None
    users: int | None = None
    trustworthy: bool | None = None


class PairsReport(FrozenValues):
    """The content of `pairs.json`; a report on published pairs has no rule and no rewards.

    Attributes:
        commit: Commit of the package.
        versions: Versions of packages.
        machine: The machine.
        config: Settings of `deeper pairs`.
        recipes: Numbers that are not settings, by the name of the recipe.
        rule: The rule that chose the pairs, and δ of each domain as `margins`.
        templates: Hashes of the prompt templates that the answers answer, by name; none for published pairs.
        max_persona_tokens: Length limit of a persona, in tokens.
        reward: The measure and the weights of the reward.
        runs: Where the pairs come from.
        counts: Contexts and directions that met each condition, the pairs that the rule gives, how many of them are
            left out so that all updaters have equally many to learn from (`surplus`), and the pairs of both sets.
        methods: The same for each updater, without the sets.
        rewards: Number and quantiles of the rewards, by domain.
    """

    commit: str | None
    versions: dict[str, str]
    machine: dict[str, Any]
    config: dict[str, Any]
    recipes: dict[str, dict[str, Any]]
    rule: dict[str, Any] | None = None
    templates: dict[str, str]
    max_persona_tokens: int | None
    reward: dict[str, Any] | None = None
    runs: list[PairSource]
    counts: dict[str, PairCounts | int]
    methods: dict[str, dict[str, int]] | None = None
    rewards: dict[str, dict[str, int | float]] | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields that were given, as JSON holds them."""
        return self.model_dump(mode="json", exclude_unset=True)
