"""Finds signs in a DPO training's log that it went wrong although its loss looks good."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean

from deeper.learning.training.recipe import DPO_ALARMS


def alarms(steps: Sequence[Mapping[str, float]], beta: float) -> list[str]:
    """The alarms that the log raises, as sentences.

    Args:
        steps: `step`, `preference`, `accuracy`, `reward_chosen` and `reward_rejected` of each step.
        beta: β of the training.
    """
    return [*_separated(steps), *(_falling(steps, beta) if beta else ())]


def uneven(methods: Mapping[str, Mapping[str, int]], cutoff: int) -> list[str]:
    """The alarm that the length limit leaves fewer pairs of one updater than of another, if it does.

    Args:
        methods: `pairs` and `over_cutoff` of each updater.
        cutoff: The limit, in tokens.
    """
    if len({counts["pairs"] - counts["over_cutoff"] for counts in methods.values()}) < 2:
        return []
    lost = [f"{counts['over_cutoff']} of {counts['pairs']} of {name}" for name, counts in methods.items()]
    return [f"uneven: the cutoff of {cutoff} tokens drops pairs: {', '.join(lost)}; raise --cutoff"]


def _separated(steps: Sequence[Mapping[str, float]]) -> list[str]:
    """Pairs separated perfectly and early: the policy tells something apart that is not the quality of the answers."""
    needed, limit = DPO_ALARMS.steps_in_a_row, DPO_ALARMS.separated_loss
    row = 0
    for step in steps[: max(needed, int(DPO_ALARMS.early_share * len(steps)))]:
        row = row + 1 if step["accuracy"] == 1 and step["preference"] < limit else 0
        if row == needed:
            return [
                f"collapse: accuracy 1 and a preference term below {limit} from step "
                f"{step['step'] - needed + 1:.0f} of {len(steps)} on; the answers may differ in something cheap "
                "(length, a phrase), or another model than the reference may have written them"
            ]
    return []


def _falling(steps: Sequence[Mapping[str, float]], beta: float) -> list[str]:
    """Both answers become less likely from quarter to quarter.

    This looks at rewards over β, which are log π/ρ. Log-probabilities themselves differ too much from pair to pair.
    """
    quarter = len(steps) // 4
    if not quarter:
        return []
    parts = [steps[at * quarter : (at + 1) * quarter] for at in range(4)]
    falls: list[float] = []
    for name in ("reward_chosen", "reward_rejected"):
        means = [fmean(step[name] / beta for step in part) for part in parts]
        if any(after >= before for before, after in pairwise(means)) or means[0] - means[-1] < DPO_ALARMS.fall_nats:
            return []
        falls.append(means[0] - means[-1])
    return [
        f"falling: the log-probabilities of chosen and rejected answers keep falling (by {falls[0]:.1f} and "
        f"{falls[1]:.1f} nats from the first to the last quarter of the steps); raise --beta or --sft-weight, or "
        "lower --learning-rate"
    ]
