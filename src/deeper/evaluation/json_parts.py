"""What the typed JSON files of an evaluation are made of: rounded numbers, intervals, names of methods, engines."""

import math
from collections.abc import Mapping
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


class EngineUsed(Part):
    """The engine of a role.

    Attributes:
        fingerprint: Its weights, adapter, runtime and precision.
        computes_in: The numbers that its model computes in, in words; empty if only its server knows.
    """

    fingerprint: str
    computes_in: str


def numbers_used(computes_in: Mapping[str, str]) -> str:
    """What the engines of a run compute in, in one line.

    Args:
        computes_in: `EngineUsed.computes_in` by role.

    Returns:
        "bfloat16" if all roles compute in it, else "policy bfloat16, predictor 32-bit floats" without the roles that
        say nothing; empty if none does.
    """
    values = set(computes_in.values())
    if len(values) == 1:
        return values.pop()
    return ", ".join(f"{role} {numbers}" for role, numbers in computes_in.items() if numbers)
