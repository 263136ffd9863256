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
"""Other defaults of each iteration: the second is harder and wider."""


class PairSettings(RunSettings):
    """What `deeper pairs` does; prompts and the length of a persona are those of the runs."""

    command: ClassVar[str] = "pairs"

    iteration: Literal[1, 2] = Field(
        default=1,
        description="Which iteration of preference learning; 2 has other defaults: margin 0.75, max-pairs 6, prefer "
        "hard.",
    )
    tau_plus: float = Field(
        default=0.0, allow_inf_nan=False, description="Least reward of a chosen direction, in units of the rating."
    )
    tau_minus: float = Field(
        default=0.0, allow_inf_nan=False, description="Largest reward of a rejected direction, in units of the rating."
    )
    margin: float = Field(
        default=0.5, ge=0, allow_inf_nan=False, description="Least difference of the two rewards; see margin-kind."
    )
    margin_kind: Literal["quantile", "absolute"] = Field(
        default="quantile",
        description="What the margin is: a quantile (0 to 1) of the differences within contexts of the domain, or in "
        "units of the rating.",
    )
    max_pairs: int = Field(default=4, ge=1, le=10_000, description="Pairs of each context, at most.")
    prefer: Literal["margin", "hard"] = Field(
        default="margin",
        description="Which come first: pairs with the largest margin, or hard ones, whose rejected direction has the "
        "highest reward.",
    )
    force: bool = Field(
        default=False, description="Make pairs although deeper reward says that the reward is not to be trusted."
    )

    @model_validator(mode="before")
    @classmethod
    def _of_iteration(cls, given: Any) -> Any:
        """Fill in the iteration's defaults; without a kind a margin is a quantile, so that an absolute one is given."""
        if not isinstance(given, dict):
            return given
        values = cast(dict[str, Any], given)
        if values.get("margin_kind") == "absolute" and "margin" not in values:
            raise ValueError("give a margin in units of the rating with margin_kind absolute")
        return {**ITERATIONS.get(_number(values.get("iteration", 1)), {}), **values}

    @model_validator(mode="after")
    def _possible(self) -> "PairSettings":
        if self.margin_kind == "quantile" and self.margin > 1:
            raise ValueError(
                f"margin {self.margin} is no quantile (0 to 1); say margin_kind absolute if it is a rating"
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
