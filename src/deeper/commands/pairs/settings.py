"""The settings of `deeper pairs`."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, cast

from pydantic import Field, model_validator

from deeper.learning.preferences.choose_pairs import PairRule
from deeper.storage.settings import RunSettings

ITERATIONS: Mapping[int, Mapping[str, Any]] = {
    1: {},
    2: {"margin": 0.75, "max_pairs": 6, "prefer": "hard"},
}
"""Defaults that differ by iteration: the second takes more and harder pairs."""


class PairSettings(RunSettings):
    """What `deeper pairs` does; prompts and the length limit of personas are those of the runs."""

    command: ClassVar[str] = "pairs"

    iteration: Literal[1, 2] = Field(
        default=1,
        description="Iteration of preference learning. The second has other defaults: margin 0.75, max-pairs 6, "
        "prefer hard.",
    )
    tau_plus: float = Field(
        default=0.0, allow_inf_nan=False, description="Minimum reward of a chosen direction, in the reward's unit."
    )
    tau_minus: float = Field(
        default=0.0,
        allow_inf_nan=False,
        description="Maximum reward of a rejected direction, in the reward's unit.",
    )
    margin: float = Field(
        default=0.5, ge=0, allow_inf_nan=False, description="Minimum difference of the two rewards; see margin-kind."
    )
    margin_kind: Literal["quantile", "absolute"] = Field(
        default="quantile",
        description="How the margin is given: as a quantile (0 to 1) of the differences within contexts of the domain, "
        "or in the reward's unit.",
    )
    max_pairs: int = Field(default=4, ge=1, le=10_000, description="Maximum number of pairs per context.")
    prefer: Literal["margin", "hard"] = Field(
        default="margin",
        description="Pairs to take first: those with the largest margin, or hard ones, whose rejected direction has "
        "the highest reward.",
    )
    force: bool = Field(
        default=False, description="Make pairs even if deeper reward says that the reward cannot be trusted."
    )

    @model_validator(mode="before")
    @classmethod
    def _of_iteration(cls, given: Any) -> Any:
        """Fill in the iteration's defaults; they are quantiles, so an absolute margin has none."""
        if not isinstance(given, dict):
            return given
        values = cast(dict[str, Any], given)
        if values.get("margin_kind") == "absolute" and "margin" not in values:
            raise ValueError("give a margin in the reward's unit with margin_kind absolute")
        return {**ITERATIONS.get(_number(values.get("iteration", 1)), {}), **values}

    @model_validator(mode="after")
    def _possible(self) -> "PairSettings":
        if self.margin_kind == "quantile" and self.margin > 1:
            raise ValueError(
                f"margin {self.margin} is not a quantile (0 to 1); margin_kind absolute takes the reward's unit"
            )
        return self

    @property
    def rule(self) -> PairRule:
        """The rule that these settings ask for."""
        return PairRule(
            self.tau_plus, self.tau_minus, self.margin, self.margin_kind, self.max_pairs, self.prefer
        )  # fmt: skip


def _number(iteration: Any) -> int:
    return iteration if isinstance(iteration, int) else 0
