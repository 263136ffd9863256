"""The settings of `deeper reward`."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from deeper.storage.settings import RunSettings


class RewardSettings(RunSettings):
    """What `deeper reward` does; readout, calibration, prompts and seed are those of the run."""

    command: ClassVar[str] = "reward"

    reward: Literal["mae", "crps"] = Field(
        default="mae", description="Error that the reward compares: mae of the points or crps of the distributions."
    )
    weights: tuple[float, float, float] = Field(
        default=(1.0, 1.0, 1.0), description="Weights of the previous, the current and the future window."
    )
    predictor_engine: str = Field(
        default="", description="Engine that reads personas; empty for that of the run, with its adapters."
    )
    predictor_adapter: tuple[str, ...] = Field(
        default=(), description="Trained adapters of the predictor, as for deeper sample; empty for those of the run."
    )

    @field_validator("weights")
    @classmethod
    def _positive(cls, weights: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(weights) < 0 or not 0 < sum(weights) < float("inf"):
            raise ValueError("weights are at least 0, and one of them is above 0")
        return weights
