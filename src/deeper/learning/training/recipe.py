"""The numbers of training that are not settings. Adapters were trained with these values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AdapterRecipe:
    """What all training runs share.

    Attributes:
        target_layers: Linear layers of a Llama block that get LoRA.
        dropout: Dropout of LoRA, 0 to 1.
        schedule: Course of the learning rate after its peak.
        weight_decay: Weight decay of the optimiser.
    """

    target_layers: tuple[str, ...] = (
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    )  # fmt: skip
    dropout: float = 0.0
    schedule: str = "cosine"
    weight_decay: float = 0.0


@dataclass(frozen=True)
class ColdstartRecipe:
    """The loss of a cold start.

    Attributes:
        verdict_weight: Weight of a token of the verdict; another token of a persona weighs 1.
    """

    verdict_weight: float = 5.0


@dataclass(frozen=True)
class PredictorRecipe:
    """How a predictor's teacher is fitted.

    Attributes:
        regression_penalty: Weight of the squared coefficients beside the mean log-likelihood of a rating.
        least_deviation: Features that deviate less are standardised as if they deviated by this.
        regression_iterations: Most iterations of L-BFGS.
    """

    regression_penalty: float = 0.002
    least_deviation: float = 0.3
    regression_iterations: int = 200


@dataclass(frozen=True)
class DpoAlarmRecipe:
    """When a DPO training raises an alarm.

    Attributes:
        early_share: Share of the steps in which perfect separation is suspicious.
        steps_in_a_row: Steps of perfect separation that raise the alarm.
        separated_loss: A preference term below this separates pairs with certainty; chance is log 2.
        fall_nats: Fall of an answer's log-probability from the first to the last quarter that raises the alarm.
    """

    early_share: float = 0.25
    steps_in_a_row: int = 5
    separated_loss: float = 0.01
    fall_nats: float = 5.0


ADAPTER = AdapterRecipe()
COLDSTART = ColdstartRecipe()
PREDICTOR = PredictorRecipe()
DPO_ALARMS = DpoAlarmRecipe()
