"""The settings of `deeper reward`."""

from typing import ClassVar

from pydantic import Field, field_validator

from deeper.engine import ServerSettings
from deeper.learning.preferences.window_errors import Measure
from deeper.storage.settings import RunSettings


class RewardSettings(RunSettings):
    """The settings of `deeper reward`; those of its models, and the seed, are those of the run that it rewards."""

    command: ClassVar[str] = "reward"

    reward: Measure = Field(
        default="mae",
        description="Error that the reward compares: mae (of points) or crps (of distributions); or, without the "
        "level, crps_net (CRPS after each window's predictions are moved to its mean rating) or rank (share of pairs "
        "of items in the wrong order).",
    )
    weights: tuple[float, float, float] = Field(
        default=(1.0, 1.0, 1.0), description="Weights of the previous, the current and the future window."
    )
    predictor_engine: str = Field(
        default="", description="Engine of the predictor. Default: that of the run, with its adapters."
    )
    predictor_adapter: tuple[str, ...] = Field(
        default=(), description="Trained adapters of the predictor, as for deeper sample. Default: those of the run."
    )
    predictor_server: ServerSettings = Field(
        default=ServerSettings(), description="Server of the predictor, as for deeper sample. Default: that of the run."
    )

    @field_validator("weights")
    @classmethod
    def _positive(cls, weights: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(weights) < 0 or not 0 < sum(weights) < float("inf"):
            raise ValueError("weights must be at least 0, and one of them above 0")
        return weights
