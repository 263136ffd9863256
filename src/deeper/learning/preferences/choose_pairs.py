"""Preference pairs: of two directions of one context, the one that should have been written.

    chosen: r ≥ τ⁺, without a leak        rejected: r ≤ τ⁻        r_chosen − r_rejected ≥ δ

At most m pairs of a context are kept. Of the admissible ones the next is always one whose two directions stand in the
fewest pairs so far, so that one lucky reward does not fill all m; among those it is the one with the largest margin or,
with `prefer` "hard", the one whose rejected direction has the highest reward.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from deeper.behaviour.splits import part
from deeper.errors import UserError
from deeper.learning.preferences.rewarded_contexts import Case, Rewarded
from deeper.learning.preferences.schema import PAIR

MarginKind = Literal["quantile", "absolute"]
Preference = Literal["margin", "hard"]

EQUAL = 1e-9
"""Rewards nearer than this are equal: sums of the same errors in another order differ in their last digits."""
QUANTILES = {"min": 0.0, "5%": 0.05, "25%": 0.25, "50%": 0.5, "75%": 0.75, "95%": 0.95, "max": 1.0}


@dataclass(frozen=True)
class PairRule:
    """Which pairs are made.

    Attributes:
        tau_plus: Least reward of a chosen direction, τ⁺, in units of the rating.
        tau_minus: Largest reward of a rejected direction, τ⁻.
        margin: Least difference of the two, δ: in units of the rating, or with `margin_kind` "quantile" that quantile
            (0 to 1) of the differences between any two directions of a context, over all contexts of the domain.
        margin_kind: What `margin` is.
        max_pairs: Pairs of a context, at most, m.
        prefer: Which of a context's admissible pairs come first: "margin" those with the largest margin, "hard" those
            whose rejected direction has the highest reward, then those whose chosen one has.
    """

    tau_plus: float
    tau_minus: float
    margin: float
    margin_kind: MarginKind
    max_pairs: int
    prefer: Preference


@dataclass(frozen=True)
class Paired:
    """What came of the rule.

    Attributes:
        table: `PAIR` rows, by domain, user, k and parent, then as they were chosen.
        margins: δ of each domain, in units of the rating.
        counts: Directions and contexts that met each condition.
    """

    table: pa.Table
    margins: Mapping[str, float]
    counts: Mapping[str, int]


def pairs(found: Sequence[Case], rule: PairRule) -> Paired:
    """Make the pairs.

    Args:
        found: What `pair_cases` gave.
        rule: Which pairs.

    Raises:
        UserError: No direction has a reward, none is good enough to be chosen, or no pair is left; says how the
            rewards are spread.
    """
    rewards = [direction.r for case in found for direction in case.directions]
    if not rewards:
        raise UserError(
            "no direction has a reward", do="see the failures in rewards.parquet; use engines that answer, and readable"
        )
    margins = _margins(found, rule)
    counts = Counter(contexts=len(found), directions=len(rewards), leaking=0)
    rows: list[dict[str, Any]] = []
    for case in found:
        good = [one for one in case.directions if one.r >= rule.tau_plus - EQUAL]
        positives = [one for one in good if not one.leaks]
        negatives = [one for one in case.directions if one.r <= rule.tau_minus + EQUAL]
        made = _choose(positives, negatives, max(margins[case.domain] - EQUAL, EQUAL), rule)
        counts.update(
            positives=len(positives),
            leaking=len(good) - len(positives),
            negatives=len(negatives),
            contexts_with_positive=bool(positives),
            contexts_with_both=bool(positives and negatives),
            contexts_paired=bool(made),
        )
        rows += [_row(case, chosen, rejected) for chosen, rejected in made]
    spread = ", ".join(f"{name} {value:.3f}" for name, value in quantiles(rewards).items())
    told = f"rewards of {len(rewards)} directions: {spread}"
    if not counts["positives"]:
        leaking = f"; {counts['leaking']} that are leak a title or a rating" if counts["leaking"] else ""
        raise UserError(
            f"no context has a direction to choose, with a reward of {rule.tau_plus} or more{leaking} ({told})",
            where="tau_plus",
            do="lower --tau-plus, or sample more directions or for more users",
        )
    if not rows:
        deltas = ", ".join(f"{margin:.3f} in {name}" for name, margin in sorted(margins.items()))
        raise UserError(
            f"no pair is left: {counts['contexts_with_both']} contexts have a direction to choose and one to reject "
            f"(reward at most {rule.tau_minus}), and none a difference of δ = {deltas} ({told})",
            where="tau_minus, margin",
            do="raise --tau-minus, lower --margin, or sample more directions or for more users",
        )
    counts["pairs"] = len(rows)
    return Paired(pa.Table.from_pylist(rows, schema=PAIR), margins, dict(counts))


def split(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The pairs of train users and those of validation users."""
    held = [part(*key) == "validation" for key in _keys(table)]
    return table.filter(pa.array([not one for one in held], pa.bool_())), table.filter(pa.array(held, pa.bool_()))


def check_split(train: pa.Table, validation: pa.Table) -> None:
    """Refuse pairs to learn from that are of validation users.

    Args:
        train: `PAIR` rows to learn from.
        validation: `PAIR` rows to judge by.

    Raises:
        UserError: A user of `train` is a validation user, or has pairs in `validation`.
    """
    held = set(_keys(validation))
    users = {key for key in _keys(train) if key in held or part(*key) == "validation"}
    if users:
        raise UserError(
            f"{len(users)} validation users are in the pairs to learn from",
            where="train.parquet",
            do="make the pairs with deeper pairs, which keeps them apart",
        )


def quantiles(rewards: Sequence[float]) -> dict[str, float]:
    """Smallest, largest and some quantiles of rewards."""
    return {name: float(np.quantile(rewards, share)) for name, share in QUANTILES.items()}


def _margins(found: Sequence[Case], rule: PairRule) -> dict[str, float]:
    """δ of each domain, in units of the rating."""
    if rule.margin_kind == "absolute":
        return {case.domain: rule.margin for case in found}
    differences: dict[str, list[float]] = {case.domain: [] for case in found}
    for case in found:
        differences[case.domain] += [abs(a.r - b.r) for a, b in combinations(case.directions, 2)]
    return {name: float(np.quantile(own, rule.margin)) if own else 0.0 for name, own in differences.items()}


def _choose(
    positives: Sequence[Rewarded], negatives: Sequence[Rewarded], margin: float, rule: PairRule
) -> list[tuple[Rewarded, Rewarded]]:
    def rank(pair: tuple[Rewarded, Rewarded]) -> tuple[float, ...]:
        chosen, rejected = round(pair[0].r, 9), round(pair[1].r, 9)
        return (-rejected, -chosen) if rule.prefer == "hard" else (rejected - chosen,)

    # A stable sort: equal ranks stay in the order of the samples.
    left = sorted(((c, n) for c in positives for n in negatives if c.r - n.r >= margin), key=rank)
    uses: Counter[str] = Counter()
    made: list[tuple[Rewarded, Rewarded]] = []
    while left and len(made) < rule.max_pairs:
        chosen, rejected = left.pop(min(range(len(left)), key=lambda i: uses[left[i][0].id] + uses[left[i][1].id]))
        uses.update((chosen.id, rejected.id))
        made.append((chosen, rejected))
    return made


def _row(case: Case, chosen: Rewarded, rejected: Rewarded) -> dict[str, Any]:
    messages = [{"role": "system", "content": case.prompt.system}, {"role": "user", "content": case.prompt.user}]
    return {
        **{name: getattr(case, name) for name in ("user", "domain", "k", "parent")},
        "prompt": messages,
        "chosen": chosen.text,
        "rejected": rejected.text,
        "chosen_id": chosen.id,
        "rejected_id": rejected.id,
        "r_chosen": chosen.r,
        "r_rejected": rejected.r,
    }


def _keys(table: pa.Table) -> list[tuple[str, str]]:
    return [(row["domain"], row["user"]) for row in table.select(["domain", "user"]).to_pylist()]
