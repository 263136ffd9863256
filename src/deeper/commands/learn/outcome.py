"""What `deeper learn` has found: validation errors before and after each iteration, and alarms about the texts.

The error of a user is the mean over rounds 1, 2, … of that user's held-out error; it is averaged over users, then over
domains. Intervals are 95 % percentile bootstraps over users; differences are taken by user, over the rounds that both
sides have.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.evaluation.results_schema import Results
from deeper.measure.bootstrap import Interval, domain_mean_interval

METHODS = ("refine", "frozen", "user_median")
"""What is judged: what is learnt, the same policy's first personas for ever, and what needs no model."""
LEARNT = METHODS[0]
DIGITS = 6
LONGER, CUT_MORE = 1.5, 0.25
"""Alarms: mean length against before, and the share of texts cut off at the length limit above before."""

Errors = Mapping[tuple[str, str, int], float]
"""Held-out MAE by domain, user and round."""


def errors_of(table: pa.Table, method: str) -> dict[tuple[str, str, int], float]:
    """A method's held-out errors after at least one refinement.

    Args:
        table: `ERROR` rows.
        method: Its name.
    """
    chosen = (pc.field("method") == method) & (pc.field("role") == "future") & (pc.field("round") > 0)
    rows = table.filter(chosen).select(["domain", "user", "round", "mae"]).to_pylist()
    return {(row["domain"], row["user"], row["round"]): row["mae"] for row in rows}


def mean_error(errors: Errors, seed: int) -> dict[str, Any]:
    """Mean over domains of the mean over users of the user's mean over rounds: `mae`, `ci` and `users`.

    Raises:
        ValueError: There is no error.
    """
    interval, users = _over_users(errors, seed)
    return {"mae": round(interval.mean, DIGITS), "ci": _bounds(interval), "users": users}


def paired_difference(before: Errors, after: Errors, seed: int) -> dict[str, Any]:
    """After less before, by user: `difference`, `ci`, `improved` (the share of users with a lower error) and `users`.

    Raises:
        ValueError: No user has a round in both.
    """
    changes = {key: after[key] - before[key] for key in before if key in after}
    interval, users = _over_users(changes, seed)
    improved = [float((np.array(values) < 0).mean()) for values in _by_domain(changes)]
    return {
        "difference": round(interval.mean, DIGITS),
        "ci": _bounds(interval),
        "improved": round(float(np.mean(improved)), DIGITS),
        "users": users,
    }


def judged(results: Results, errors: pa.Table, personas: pa.Table, max_tokens: int) -> dict[str, Any]:
    """One validation, as it stands in learn.json.

    Args:
        results: Its results.
        errors: Its `ERROR` rows.
        personas: Its `PERSONA` rows.
        max_tokens: Length limit of a persona.

    Returns:
        `methods` (of each `mean_error`), `rounds` (the entries of results.json that are held out), `text` (of the
        refinements: what `evaluation.text_summary` says, and `cut_off`, the share at the length limit), `leaks`,
        `failures`, `persona_failures` and `calibration`.
    """
    refinements = personas.filter((pc.field("method") == LEARNT) & (pc.field("failure") == ""))
    lengths = np.array(refinements["tokens"].to_pylist(), np.int64)
    domains = {entry.domain for entry in results.errors}
    shown = {"mean"} | (domains if len(domains) == 1 else set[str]())
    return {
        "methods": {method: mean_error(errors_of(errors, method), results.seed) for method in METHODS},
        "rounds": [
            entry.model_dump(mode="json", include={"method", "round", "mae", "ci", "users"})
            for entry in results.errors
            if entry.domain in shown and entry.role == "future"
        ],
        "text": {
            **(results.text[LEARNT].model_dump() if LEARNT in results.text else {}),
            "cut_off": round(float((lengths >= max_tokens).mean()), DIGITS) if len(lengths) else None,
        },
        "leaks": results.leaks.get(LEARNT),
        "failures": results.failures.get(LEARNT, 0),
        "persona_failures": results.persona_failures.get(LEARNT, 0),
        "calibration": {name: fit.model_dump() for name, fit in results.calibration.items()},
    }


def length_alarms(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What is wrong with the length of the refinements of validation users.

    Args:
        before: What `judged` says of the policy that learning began with.
        after: What it says of the trained one.
    """
    old, new = before["text"], after["text"]
    if new.get("tokens") is None:
        return ["no validation user's persona could be refined"]
    if old.get("tokens") is None:
        return []
    alarms: list[str] = []
    if new["tokens"] > LONGER * old["tokens"]:
        alarms.append(f"output length explodes: {new['tokens']:.0f} tokens on average, {old['tokens']:.0f} before")
    if new["tokens"] < old["tokens"] / LONGER:
        alarms.append(f"output length shrinks: {new['tokens']:.0f} tokens on average, {old['tokens']:.0f} before")
    if new["cut_off"] > old["cut_off"] + CUT_MORE:
        alarms.append(f"{new['cut_off']:.0%} of the texts are cut off at the length limit, {old['cut_off']:.0%} before")
    return alarms


def _over_users(values: Errors, seed: int) -> tuple[Interval, int]:
    domains = _by_domain(values)
    return domain_mean_interval([np.array(users) for users in domains], seed), sum(map(len, domains))


def _by_domain(values: Errors) -> Sequence[Sequence[float]]:
    """For each domain the mean of each user."""
    users: dict[str, dict[str, list[float]]] = {}
    for domain, user, number in sorted(values):
        users.setdefault(domain, {}).setdefault(user, []).append(values[domain, user, number])
    return [[float(np.mean(own)) for own in found.values()] for found in users.values()]


def _bounds(interval: Interval) -> list[float | None]:
    return [round(bound, DIGITS) if math.isfinite(bound) else None for bound in (interval.low, interval.high)]
