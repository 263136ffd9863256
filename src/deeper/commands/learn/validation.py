"""Summarises validations of `deeper learn`: errors, differences to before, and alarms about the texts.

The error of a user is the mean over rounds 1, 2, … of that user's held-out error. It is averaged over users, then over
domains. Intervals are 95 % t intervals over users. Differences are taken by user, over the rounds that both
sides have.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.commands.learn.report import ErrorOfRound, MeanError, PairedDifference, Validation
from deeper.evaluation.results_schema import Results
from deeper.measure.intervals import Interval, domain_mean_interval

METHODS = ("refine", "frozen", "user_median")
"""Methods of a validation: the one that learns, the same policy's first personas, and a baseline without a model."""
LEARNT_METHOD = METHODS[0]
DIGITS = 6


@dataclass(frozen=True)
class LengthAlarmRecipe:
    """When the length of the refinements raises an alarm.

    Attributes:
        length_ratio: Ratio of the mean lengths before and after, in either direction.
        cut_off_rise: Rise of the share of texts at the length limit.
    """

    length_ratio: float = 1.5
    cut_off_rise: float = 0.25


LENGTH_ALARMS = LengthAlarmRecipe()

Errors = Mapping[tuple[str, str, int], float]
"""Held-out MAE by domain, user and round."""


def held_out_errors(table: pa.Table, method: str) -> dict[tuple[str, str, int], float]:
    """Held-out errors of a method after at least one refinement.

    Args:
        table: `ERROR` rows.
        method: The method's name.
    """
    chosen = (pc.field("method") == method) & (pc.field("role") == "future") & (pc.field("round") > 0)
    rows = table.filter(chosen).select(["domain", "user", "round", "mae"]).to_pylist()
    return {(row["domain"], row["user"], row["round"]): row["mae"] for row in rows}


def mean_error(errors: Errors) -> MeanError:
    """Mean over domains of the mean over users of the user's mean over rounds.

    Raises:
        ValueError: There is no error.
    """
    interval, users = _over_users(errors, least=0)
    return MeanError(mae=round(interval.mean, DIGITS), ci=_bounds(interval), users=users)


def paired_difference(before: Errors, after: Errors) -> PairedDifference:
    """Difference of the errors after and before, by user.

    Raises:
        ValueError: No user has a round in both.
    """
    changes = {key: after[key] - before[key] for key in before if key in after}
    interval, users = _over_users(changes)
    improved = [float((np.array(values) < 0).mean()) for values in _by_domain(changes)]
    return PairedDifference(
        difference=round(interval.mean, DIGITS),
        ci=_bounds(interval),
        improved=round(float(np.mean(improved)), DIGITS),
        users=users,
    )


def summarise_validation(results: Results, errors: pa.Table, personas: pa.Table, max_tokens: int) -> Validation:
    """Summarise the run of one validation.

    Args:
        results: Its results.
        errors: Its `ERROR` rows.
        personas: Its `PERSONA` rows.
        max_tokens: Length limit of a persona, in tokens.
    """
    refinements = personas.filter((pc.field("method") == LEARNT_METHOD) & (pc.field("failure") == ""))
    lengths = np.array(refinements["tokens"].to_pylist(), np.int64)
    domains = {entry.domain for entry in results.errors}
    shown = {"mean"} | (domains if len(domains) == 1 else set[str]())
    cut_off = round(float((lengths >= max_tokens).mean()), DIGITS) if len(lengths) else None
    return Validation(
        methods={method: mean_error(own) if (own := held_out_errors(errors, method)) else None for method in METHODS},
        rounds=[
            ErrorOfRound(**entry.model_dump(include=set(ErrorOfRound.model_fields)))
            for entry in results.errors
            if entry.domain in shown and entry.role == "future"
        ],
        text={
            **(results.text[LEARNT_METHOD].model_dump() if LEARNT_METHOD in results.text else {}),
            "cut_off": cut_off,
        },
        leaks=results.leaks.get(LEARNT_METHOD),
        failures=results.failures.get(LEARNT_METHOD, 0),
        persona_failures=results.persona_failures.get(LEARNT_METHOD, 0),
        calibration={name: fit.model_dump() for name, fit in results.calibration.items()},
    )


def length_alarms(before: Mapping[str, float | None], after: Mapping[str, float | None]) -> list[str]:
    """Alarms about the length of the refinements of validation users.

    Args:
        before: `Validation.text` of the policy before learning.
        after: `Validation.text` of the trained policy.
    """
    old, new = (text.get("tokens") for text in (before, after))
    if new is None:
        return ["no validation user's persona could be refined"]
    if old is None:
        return []
    alarms: list[str] = []
    if new > LENGTH_ALARMS.length_ratio * old:
        alarms.append(f"output length explodes: {new:.0f} tokens on average, {old:.0f} before")
    if new < old / LENGTH_ALARMS.length_ratio:
        alarms.append(f"output length shrinks: {new:.0f} tokens on average, {old:.0f} before")
    old_cut, new_cut = before["cut_off"] or 0.0, after["cut_off"] or 0.0
    if new_cut > old_cut + LENGTH_ALARMS.cut_off_rise:
        alarms.append(f"{new_cut:.0%} of the texts are cut off at the length limit, {old_cut:.0%} before")
    return alarms


def _over_users(values: Errors, least: float = -math.inf) -> tuple[Interval, int]:
    domains = _by_domain(values)
    return domain_mean_interval([np.array(users) for users in domains], least=least), sum(map(len, domains))


def _by_domain(values: Errors) -> Sequence[Sequence[float]]:
    """The mean of each user, domain by domain."""
    users: dict[str, dict[str, list[float]]] = {}
    for domain, user, number in sorted(values):
        users.setdefault(domain, {}).setdefault(user, []).append(values[domain, user, number])
    return [[float(np.mean(own)) for own in found.values()] for found in users.values()]


def _bounds(interval: Interval) -> tuple[float | None, float | None]:
    low, high = (round(bound, DIGITS) if math.isfinite(bound) else None for bound in (interval.low, interval.high))
    return low, high
