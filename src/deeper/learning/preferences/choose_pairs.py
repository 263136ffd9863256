"""Chooses preference pairs: a better and a worse direction of the same context.

    chosen: r ≥ τ⁺, without a leak        rejected: r ≤ τ⁻        r_chosen − r_rejected ≥ δ

At most m pairs of a context are kept. The next pair is always one whose two directions are in the fewest pairs so far;
otherwise one lucky reward would fill all m. Among those it is the pair with the largest margin or, with `prefer`
"hard", the one whose rejected direction has the highest reward. `equally_many` evens out what updaters contribute.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from deeper.behaviour.splits import part
from deeper.behaviour.users import keys_of
from deeper.errors import UserError
from deeper.learning.preferences.recipe import PAIR_RECIPE
from deeper.learning.preferences.rewarded_contexts import RewardedContext, RewardedDirection
from deeper.learning.preferences.schema import PAIR

MarginKind = Literal["quantile", "absolute"]
Preference = Literal["margin", "hard"]

CONDITIONS = (
    "contexts", "directions", "positives", "leaking", "negatives", "contexts_with_positive", "contexts_with_both",
    "contexts_paired", "pairs",
)  # fmt: skip
"""What the pairs of an updater are counted by."""
QUANTILES = {"min": 0.0, "5%": 0.05, "25%": 0.25, "50%": 0.5, "75%": 0.75, "95%": 0.95, "max": 1.0}


@dataclass(frozen=True)
class PairRule:
    """Which pairs are made.

    Attributes:
        tau_plus: τ⁺, the minimum reward of a chosen direction, in the unit of the reward.
        tau_minus: τ⁻, the maximum reward of a rejected direction, in the unit of the reward.
        margin: δ, the minimum difference of the two. With `margin_kind` "absolute" it is in the unit of the reward;
            with "quantile" it is that quantile (0 to 1) of the differences between any two directions of a context,
            over all contexts of the domain.
        margin_kind: How `margin` is given.
        max_pairs: m, the maximum number of pairs per context.
        prefer: Which pairs come first: "margin" those with the largest margin; "hard" those whose rejected direction
            has the highest reward, then those whose chosen direction has.
    """

    tau_plus: float
    tau_minus: float
    margin: float
    margin_kind: MarginKind
    max_pairs: int
    prefer: Preference


@dataclass(frozen=True)
class ChosenPairs:
    """The pairs that a rule gives.

    Attributes:
        table: `PAIR` rows by domain, user, k, parent and updater, then in the order of choice.
        margins: δ of each domain, in the unit of the reward.
        counts: Number of directions and contexts of each updater that met each condition.
    """

    table: pa.Table
    margins: Mapping[str, float]
    counts: Mapping[str, Counter[str]]


def choose_pairs(found: Sequence[RewardedContext], rule: PairRule) -> ChosenPairs:
    """Choose the pairs of each context by a rule.

    Args:
        found: Contexts with their rewarded directions (`rewarded_contexts`).
        rule: Which pairs.

    Raises:
        UserError: No direction has a reward, none is good enough to be chosen, or no pair is left. The message gives
            the quantiles of the rewards.
    """
    rewards = [direction.r for context in found for direction in context.directions]
    if not rewards:
        raise UserError(
            "no direction has a reward",
            do="look at the failures in rewards.parquet; use engines whose answers can be read",
        )
    margins, tolerance = _margins(found, rule), PAIR_RECIPE.reward_tolerance
    counts = {context.method: Counter[str](dict.fromkeys(CONDITIONS, 0)) for context in found}
    rows: list[dict[str, Any]] = []
    for context in found:
        good = [one for one in context.directions if one.r >= rule.tau_plus - tolerance]
        positives = [one for one in good if not one.leaks]
        negatives = [one for one in context.directions if one.r <= rule.tau_minus + tolerance]
        made = _choose(positives, negatives, max(margins[context.domain] - tolerance, tolerance), rule)
        counts[context.method].update(
            contexts=1,
            directions=len(context.directions),
            positives=len(positives),
            leaking=len(good) - len(positives),
            negatives=len(negatives),
            contexts_with_positive=bool(positives),
            contexts_with_both=bool(positives and negatives),
            contexts_paired=bool(made),
            pairs=len(made),
        )
        rows += [_row(context, chosen, rejected) for chosen, rejected in made]
    spread = ", ".join(f"{name} {value:.3f}" for name, value in quantiles(rewards).items())
    summary = f"rewards of {len(rewards)} directions: {spread}"
    total = summed(counts.values())
    if not total["positives"]:
        leaking = f"; {total['leaking']} that reach it leak a title or a rating" if total["leaking"] else ""
        raise UserError(
            f"no context has a direction to choose: a reward of {rule.tau_plus} or more without a leak"
            f"{leaking} ({summary})",
            where="tau_plus",
            do="lower --tau-plus, or sample more directions or for more users",
        )
    if not rows:
        deltas = ", ".join(f"{margin:.3f} in {name}" for name, margin in sorted(margins.items()))
        raise UserError(
            f"no pair is left: {total['contexts_with_both']} contexts have a direction to choose and one to reject "
            f"(reward at most {rule.tau_minus}), but none has a difference of δ = {deltas} ({summary})",
            where="tau_minus, margin",
            do="raise --tau-minus, lower --margin, or sample more directions or for more users",
        )
    return ChosenPairs(pa.Table.from_pylist(rows, schema=PAIR), margins, counts)


def equally_many(table: pa.Table) -> pa.Table:
    """As many pairs of each updater as there are of the one that has the fewest; the others are left out.

    The first pairs of all contexts stay before any second one, and of these the ones with the largest margin.

    Args:
        table: `PAIR` rows of `choose_pairs`, in their order.
    """
    places: Counter[tuple[Any, ...]] = Counter()
    ranked: dict[str, list[tuple[int, float, int]]] = {}
    rows = table.drop_columns(["prompt", "chosen", "rejected"]).to_pylist()
    for at, row in enumerate(rows):
        context = tuple(row[name] for name in ("domain", "user", "k", "parent", "method"))
        ranked.setdefault(row["method"], []).append((places[context], row["r_rejected"] - row["r_chosen"], at))
        places[context] += 1
    fewest = min(map(len, ranked.values()), default=0)
    return table.take(sorted(at for own in ranked.values() for _, _, at in sorted(own)[:fewest]))


def summed(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """The sum of the counts of all updaters."""
    total: Counter[str] = Counter()
    for own in counts:
        total.update(own)
    return total


def split_pairs(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Split pairs into those of train users and those of validation users."""
    held = [part(*key) == "validation" for key in keys_of(table)]
    return table.filter(pa.array([not one for one in held], pa.bool_())), table.filter(pa.array(held, pa.bool_()))


def check_split(train: pa.Table, validation: pa.Table) -> None:
    """Refuse to learn from pairs of validation users.

    Args:
        train: `PAIR` rows to learn from.
        validation: `PAIR` rows to validate on.

    Raises:
        UserError: A user of `train` is a validation user, or has pairs in `validation`.
    """
    held = set(keys_of(validation))
    users = {key for key in keys_of(train) if key in held or part(*key) == "validation"}
    if users:
        raise UserError(
            f"the pairs to learn from include {len(users)} validation users",
            where="train.parquet",
            do="make the pairs with deeper pairs, which keeps validation users apart",
        )


def quantiles(rewards: Sequence[float]) -> dict[str, float]:
    """The smallest and the largest reward and some quantiles."""
    return {name: float(np.quantile(rewards, share)) for name, share in QUANTILES.items()}


def _margins(found: Sequence[RewardedContext], rule: PairRule) -> dict[str, float]:
    """δ of each domain, in the unit of the reward."""
    if rule.margin_kind == "absolute":
        return {context.domain: rule.margin for context in found}
    differences: dict[str, list[float]] = {context.domain: [] for context in found}
    for context in found:
        differences[context.domain] += [abs(a.r - b.r) for a, b in combinations(context.directions, 2)]
    return {name: float(np.quantile(own, rule.margin)) if own else 0.0 for name, own in differences.items()}


def _choose(
    positives: Sequence[RewardedDirection], negatives: Sequence[RewardedDirection], margin: float, rule: PairRule
) -> list[tuple[RewardedDirection, RewardedDirection]]:
    def rank(pair: tuple[RewardedDirection, RewardedDirection]) -> tuple[float, ...]:
        chosen, rejected = round(pair[0].r, 9), round(pair[1].r, 9)
        return (-rejected, -chosen) if rule.prefer == "hard" else (rejected - chosen,)

    # The sort is stable: equal ranks keep the order of the samples.
    left = sorted(((c, n) for c in positives for n in negatives if c.r - n.r >= margin), key=rank)
    uses: Counter[str] = Counter()
    made: list[tuple[RewardedDirection, RewardedDirection]] = []
    while left and len(made) < rule.max_pairs:
        chosen, rejected = left.pop(min(range(len(left)), key=lambda i: uses[left[i][0].id] + uses[left[i][1].id]))
        uses.update((chosen.id, rejected.id))
        made.append((chosen, rejected))
    return made


def _row(context: RewardedContext, chosen: RewardedDirection, rejected: RewardedDirection) -> dict[str, Any]:
    messages = [{"role": "system", "content": context.prompt.system}, {"role": "user", "content": context.prompt.user}]
    return {
        **{name: getattr(context, name) for name in ("user", "domain", "k", "parent", "method")},
        "prompt": messages,
        "chosen": chosen.text,
        "rejected": rejected.text,
        "chosen_id": chosen.id,
        "rejected_id": rejected.id,
        "r_chosen": chosen.r,
        "r_rejected": rejected.r,
    }
