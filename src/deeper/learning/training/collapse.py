"""Signs in a DPO training's log that it has gone wrong while its loss looks well."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean

EARLY = 0.25
"""Share of the steps in which a perfect separation is a sign that something else than the answers is told apart."""
IN_A_ROW = 5
"""Steps."""
SEPARATED = 0.01
"""Preference term of pairs that are told apart with certainty; chance is log 2."""
FALL = 5.0
"""Nats by which the log-probability of a whole answer must have fallen, from the first to the last quarter."""


def alarms(steps: Sequence[Mapping[str, float]], beta: float) -> list[str]:
    """What a reader of the log should be told, in sentences.

    Args:
        steps: Each step's `step`, `preference`, `accuracy`, `reward_chosen` and `reward_rejected`.
        beta: β of the training.
    """
    return [*_separated(steps), *(_falling(steps, beta) if beta else ())]


def _separated(steps: Sequence[Mapping[str, float]]) -> list[str]:
    row = 0
    for step in steps[: max(IN_A_ROW, int(EARLY * len(steps)))]:
        row = row + 1 if step["accuracy"] == 1 and step["preference"] < SEPARATED else 0
        if row == IN_A_ROW:
            return [
                f"collapse: accuracy 1 and a preference term below {SEPARATED} from step "
                f"{step['step'] - IN_A_ROW + 1:.0f} of {len(steps)} on; the answers may differ in something cheap "
                "(length, a phrase), or the reference may be another model than the answers came from"
            ]
    return []


def _falling(steps: Sequence[Mapping[str, float]], beta: float) -> list[str]:
    """Both answers ever less likely, from quarter to quarter.

    The rewards say so, and not the log-probabilities, which differ from pair to pair: log π/ρ is the reward over β.
    """
    quarter = len(steps) // 4
    if not quarter:
        return []
    parts = [steps[at * quarter : (at + 1) * quarter] for at in range(4)]
    falls: list[float] = []
    for name in ("reward_chosen", "reward_rejected"):
        means = [fmean(step[name] / beta for step in part) for part in parts]
        if any(after >= before for before, after in pairwise(means)) or means[0] - means[-1] < FALL:
            return []
        falls.append(means[0] - means[-1])
    return [
        f"falling: the log-probabilities of chosen and rejected answers fall without end (by {falls[0]:.1f} and "
        f"{falls[1]:.1f} nats from the first to the last quarter of the steps); raise --beta or --sft-weight, or "
        "lower --learning-rate"
    ]
