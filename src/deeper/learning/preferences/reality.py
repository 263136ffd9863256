"""Is the reward real? Its reliability over disjoint items, and what choosing by it gains, without selection bias.

The items of each window are split into those at even and at odd places, and the reward is computed from each half. What
the halves agree on within a context is a property of the direction; the rest is luck with these ratings. Duplicates
of a text count once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.learning.preferences.gains import Gains, parts
from deeper.measure.agreement import Estimate, ratio_of_sums, spearman_brown, within_group_correlation
from deeper.measure.text import redundancy, words
from deeper.persona.leaks import find_leaks

Floats = NDArray[np.float64]

EVEN, ODD = slice(0, None, 2), slice(1, None, 2)
PARTS = ("prev", "curr", "fut")
MIN_RELIABILITY = 0.2
"""Below this reliability a reward is mostly luck: its correlation with what it stands for is under √0.2 = 0.45."""
MIN_USERS = 16
"""An interval that resamples fewer users than these says little."""
ALL = "all"
"""Stands for all domains together, their errors as shares of the scale's range."""


@dataclass(frozen=True)
class _Case:
    """One context's texts that have a reward from either half of the items.

    Attributes:
        owner: The user.
        texts: The texts.
        leaks: Whether each leaks, 1 or 0; shape (texts,).
        parts: r_prev, r_curr, r_fut over all items; shape (texts, 3).
        halves: The same over the even and over the odd items.
        old: Errors of the old persona over the even and over the odd items; shape (3,) each.
        true: As `halves`, against the noise-free ratings; None where they are not known.
    """

    owner: str
    texts: tuple[str, ...]
    leaks: Floats
    parts: Floats
    halves: tuple[Floats, Floats]
    old: tuple[Floats, Floats]
    true: tuple[Floats, Floats] | None


def reality(
    compared: Sequence[Gains],
    true: Sequence[Gains] | None,
    domains: Mapping[str, Domain],
    weights: Sequence[float],
    seed: int,
) -> list[dict[str, Any]]:
    """Describe the reward of each domain, and of all together (`ALL`, the last entry) where there are several.

    Args:
        compared: The contexts' gains by one measure.
        true: The same against the noise-free ratings of planted users, in the same order; None if not known.
        domains: By id.
        weights: w_prev, w_curr, w_fut; their sum is above 0.
        seed: Seed of the intervals, which resample users.

    Returns:
        For each domain numbers as {"value", "ci"}, in units of the rating; `against_old` and `against_mean` are the
        head-room: the direction that is best on one half of the items, judged on the other half.
    """
    names = sorted({one.context["domain"] for one in compared})
    groups = [(name, [name]) for name in names] + ([(ALL, names)] if len(names) > 1 else [])
    entries: list[dict[str, Any]] = []
    for name, members in groups:
        chosen = [i for i, one in enumerate(compared) if one.context["domain"] in members]
        cases: list[_Case] = []
        for i in chosen:
            unit = float(np.ptp(domains[compared[i].context["domain"]].scale.values)) if name == ALL else 1.0
            cases += _case(compared[i], true[i] if true is not None else None, unit)
        used = {"contexts": len(chosen), "contexts_used": len(cases), "users": len({case.owner for case in cases})}
        entries.append({"domain": name, **used, **_describe(cases, np.asarray(weights, np.float64), seed)})
    return entries


def is_trustworthy(entry: Mapping[str, Any], minimum: float = MIN_RELIABILITY) -> bool:
    """Whether directions may be learnt from: enough users, and a reliability at the minimum and surely above zero.

    Args:
        entry: What `reality` gave for the domains that matter, usually its last entry.
        minimum: Least reliability, 0 to 1.
    """
    value, (low, _) = entry["reliability"]["value"], entry["reliability"]["ci"]
    if entry["users"] < MIN_USERS or value is None or low is None:
        return False
    return value >= minimum and low > 0


def as_json(estimate: Estimate) -> dict[str, Any]:
    """A number and its interval; null where it is not defined."""
    value, low, high = (
        None if np.isnan(number) else number for number in (estimate.value, estimate.low, estimate.high)
    )
    return {"value": value, "ci": [low, high]}


def _case(one: Gains, true: Gains | None, unit: float) -> list[_Case]:
    """The context with at least two texts that can be told apart on either half; else nothing."""
    kept = np.array([not failure for failure in one.failures], bool)

    def halves(gains: Gains) -> tuple[Floats, Floats]:
        even, odd = (parts(gains.gains, items)[kept] / unit for items in (EVEN, ODD))
        return even, odd

    split, old = halves(one), tuple(parts(one.old, items) / unit for items in (EVEN, ODD))
    if kept.sum() < 2 or not all(np.isfinite(half).all() for half in (*split, *old)):
        return []
    context = one.context
    texts = tuple(text for text, keep in zip(one.texts, kept, strict=True) if keep)
    titles = frozenset(item["title"] for window in context["windows"] for item in window)
    return [
        _Case(
            owner=f"{context['domain']}\0{context['user']}",
            texts=texts,
            leaks=np.array([float(bool(find_leaks(text, titles))) for text in texts]),
            parts=parts(one.gains)[kept] / unit,
            halves=split,
            old=(old[0], old[1]),
            true=halves(true) if true is not None else None,
        )
    ]


def _describe(cases: Sequence[_Case], weights: Floats, seed: int) -> dict[str, Any]:
    owners = [case.owner for case in cases]
    whole = [case.parts @ weights for case in cases]
    even, odd = ([case.halves[half] @ weights for case in cases] for half in (0, 1))
    agreement = within_group_correlation(even, odd, owners, seed)

    def against(values: Sequence[Floats]) -> dict[str, Any]:
        return as_json(within_group_correlation(whole, values, owners, seed))

    def between(i: int, j: int) -> dict[str, Any]:
        one, other = ([case.parts[:, part] for case in cases] for part in (i, j))
        return as_json(within_group_correlation(one, other, owners, seed))

    described = {
        "texts": sum(len(case.texts) for case in cases),
        "reliability": as_json(spearman_brown(agreement)),
        "half_correlation": as_json(agreement),
        "mean_direction": {
            "r": _mean([float(r.mean()) for r in whole], owners, seed),
            **{
                f"r_{name}": _mean([float(case.parts[:, part].mean()) for case in cases], owners, seed)
                for part, name in enumerate(PARTS)
            },
        },
        **_headroom(cases, weights, owners, seed),
        "correlations": {
            "prev_curr": between(0, 1),
            "prev_fut": between(0, 2),
            "curr_fut": between(1, 2),
            "length": against([np.array([float(len(words(text))) for text in case.texts]) for case in cases]),
            "leaks": against([case.leaks for case in cases]),
            "redundancy": against([np.array([redundancy(text) for text in case.texts]) for case in cases]),
        },
    }
    true = [case.true for case in cases if case.true is not None]
    if true:
        crossed = [half[1] @ weights for half in true] + [half[0] @ weights for half in true]
        described["true"] = as_json(within_group_correlation([*even, *odd], crossed, owners * 2, seed))
    return described


def _headroom(cases: Sequence[_Case], weights: Floats, owners: Sequence[str], seed: int) -> dict[str, Any]:
    """What the best direction on one half gains on the other half, averaged over both ways."""
    old_error, against_old, against_mean, future = (np.zeros(len(cases)) for _ in range(4))
    for i, case in enumerate(cases):
        for chosen_on, judged_on in ((0, 1), (1, 0)):
            best = int(np.argmax(case.halves[chosen_on] @ weights))
            judged = case.halves[judged_on] @ weights
            against_old[i] += judged[best] / 2
            against_mean[i] += (judged[best] - judged.mean()) / 2
            future[i] += case.halves[judged_on][best, 2] / 2
            old_error[i] += case.old[judged_on] @ weights / 2

    def told(gains: Floats) -> dict[str, Any]:
        return {
            "r": as_json(ratio_of_sums(gains, np.ones(len(gains)), owners, seed)),
            "per_rating": as_json(ratio_of_sums(gains, np.full(len(gains), weights.sum()), owners, seed)),
            "percent": as_json(ratio_of_sums(100 * gains, old_error, owners, seed)),
        }

    return {
        "against_old": told(against_old),
        "against_mean": told(against_mean),
        "against_old_future": as_json(ratio_of_sums(future, np.ones(len(cases)), owners, seed)),
    }


def _mean(values: Sequence[float], owners: Sequence[str], seed: int) -> dict[str, Any]:
    return as_json(ratio_of_sums(np.array(values), np.ones(len(values)), owners, seed))
