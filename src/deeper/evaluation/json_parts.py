"""What the typed JSON files of an evaluation are made of: rounded numbers, intervals, names of methods."""

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from deeper.evaluation.methods import NAME

DIGITS = 6


def _rounded(value: Any) -> Any:
    """A float rounded to `DIGITS` digits, None if it is not finite; other values as they are."""
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    return value


Number = Annotated[float, BeforeValidator(_rounded)]
NumberOrNone = Annotated[float | None, BeforeValidator(_rounded)]
MethodName = Annotated[str, Field(pattern=f"^{NAME}$")]
Ends = tuple[NumberOrNone, NumberOrNone]
"""The low and the high end of a 95 % interval; both None where there is none."""


class Part(BaseModel):
    """What parts of a JSON file of ours have in common."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Difference(Part):
    """The mean difference, by user, between a measure of a method and that of another one.

    Attributes:
        difference: Mean over users, in units of the measure.
        ci: 95 % interval.
        p_value: Two-sided, of no difference; None without an interval.
        p_adjusted: The same after Holm's correction for all differences of this measure in the table.
        users: Users that have both.
    """

    difference: Number
    ci: Ends
    p_value: NumberOrNone = None
    p_adjusted: NumberOrNone = None
    users: int
