"""Measures whether a reward is real: its reliability, and what choosing by it gains without selection bias.

The items of each window are split into those at even and at odd places, and the reward is computed from each half. What
the halves agree on within a context is a property of the direction; the rest is luck with these ratings. Repeated texts
count once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.learning.preferences.gains import ALL_ITEMS, EVEN_ITEMS, ODD_ITEMS, Gains
from deeper.learning.preferences.reality_report import (
    Correlations,
    Figure,
    HeadRoom,
    MeanDirection,
    Reality,
    RealityOfDomain,
)
from deeper.learning.preferences.window_errors import unit
from deeper.measure.agreement import ratio_of_sums, spearman_brown, within_group_correlation
from deeper.measure.text import redundancy, words
from deeper.persona.leaks import find_leaks

Floats = NDArray[np.float64]

ALL_DOMAINS = "all"
"""Domain id of all domains together; their errors are shares (`window_errors.unit`)."""


@dataclass(frozen=True)
class _HalvedContext:
    """The texts of one context that have a reward from either half of the items.

    Attributes:
        owner: The user.
        texts: The texts.
        leaks: 1 where the text leaks, else 0; shape (texts,).
        parts: r_prev, r_curr, r_fut over all items; shape (texts, 3).
        halves: `parts` over the even and over the odd items.
        old: Errors of the old persona over the even and over the odd items; shape (3,) each.
        true: `halves` against the noise-free ratings; None where they are unknown.
    """

    owner: str
    texts: tuple[str, ...]
    leaks: Floats
    parts: Floats
    halves: tuple[Floats, Floats]
    old: tuple[Floats, Floats]
    true: tuple[Floats, Floats] | None


def measure_reality(
    compared: Sequence[Gains],
    true: Sequence[Gains] | None,
    domains: Mapping[str, Domain],
    weights: Sequence[float],
    seed: int,
) -> Reality:
    """Measure how real a reward is, in each domain and in all together.

    Args:
        compared: The contexts' gains by one measure.
        true: The same against the noise-free ratings of planted users, in the same order; None if unknown.
        domains: The domains, by id.
        weights: w_prev, w_curr, w_fut; their sum is above 0.
        seed: Seed of the correlations' intervals, which resample users.
    """

    def of(domain: str, members: Sequence[str]) -> RealityOfDomain:
        chosen = [i for i, one in enumerate(compared) if one.context["domain"] in members]
        found: list[_HalvedContext] = []
        for i in chosen:
            one = compared[i]
            share = unit(one.measure, domains[one.context["domain"]]) if domain == ALL_DOMAINS else 1.0
            found += _halved(one, true[i] if true is not None else None, share)
        return _reality(domain, len(chosen), found, np.asarray(weights, np.float64), seed)

    names = sorted({one.context["domain"] for one in compared})
    by_domain = {name: of(name, [name]) for name in names}
    overall = by_domain[names[0]] if len(names) == 1 else of(ALL_DOMAINS, names)
    return Reality(overall=overall, by_domain=by_domain)


def _halved(one: Gains, true: Gains | None, share: float) -> list[_HalvedContext]:
    """The context, if at least two of its texts have a reward from either half; else nothing."""
    kept = np.array([not failure for failure in one.failures], bool)

    def halves(gains: Gains) -> tuple[Floats, Floats]:
        return gains.gains[EVEN_ITEMS][kept] / share, gains.gains[ODD_ITEMS][kept] / share

    split, old = halves(one), (one.old[EVEN_ITEMS] / share, one.old[ODD_ITEMS] / share)
    if kept.sum() < 2 or not all(np.isfinite(half).all() for half in (*split, *old)):
        return []
    context = one.context
    texts = tuple(text for text, keep in zip(one.texts, kept, strict=True) if keep)
    titles = frozenset(item["title"] for window in context["windows"] for item in window)
    return [
        _HalvedContext(
            owner=f"{context['domain']}\0{context['user']}",
            texts=texts,
            leaks=np.array([float(bool(find_leaks(text, titles))) for text in texts]),
            parts=one.gains[ALL_ITEMS][kept] / share,
            halves=split,
            old=old,
            true=halves(true) if true is not None else None,
        )
    ]


def _reality(
    domain: str, contexts: int, found: Sequence[_HalvedContext], weights: Floats, seed: int
) -> RealityOfDomain:
    owners = [one.owner for one in found]
    whole = [one.parts @ weights for one in found]
    even, odd = ([one.halves[half] @ weights for one in found] for half in (0, 1))
    agreement = within_group_correlation(even, odd, owners, seed)

    def with_reward(values: Sequence[Floats]) -> Figure:
        return Figure.of(within_group_correlation(whole, values, owners, seed))

    def between(i: int, j: int) -> Figure:
        one, other = ([context.parts[:, part] for context in found] for part in (i, j))
        return Figure.of(within_group_correlation(one, other, owners, seed))

    def mean(values: Sequence[float]) -> Figure:
        return Figure.of(ratio_of_sums(np.array(values), np.ones(len(values)), owners))

    r_prev, r_curr, r_fut = (mean([float(one.parts[:, part].mean()) for one in found]) for part in range(3))
    against_old, against_mean, against_old_future = _head_room(found, weights, owners)
    true = [one.true for one in found if one.true is not None]
    crossed = [half[1] @ weights for half in true] + [half[0] @ weights for half in true]
    known = {"true": Figure.of(within_group_correlation([*even, *odd], crossed, owners * 2, seed))} if true else {}
    return RealityOfDomain(
        domain=domain,
        contexts=contexts,
        contexts_used=len(found),
        users=len(set(owners)),
        texts=sum(len(one.texts) for one in found),
        reliability=Figure.of(spearman_brown(agreement)),
        half_correlation=Figure.of(agreement),
        mean_direction=MeanDirection(
            r=mean([float(r.mean()) for r in whole]), r_prev=r_prev, r_curr=r_curr, r_fut=r_fut
        ),
        against_old=against_old,
        against_mean=against_mean,
        against_old_future=against_old_future,
        correlations=Correlations(
            prev_curr=between(0, 1),
            prev_fut=between(0, 2),
            curr_fut=between(1, 2),
            length=with_reward([np.array([float(len(words(text))) for text in one.texts]) for one in found]),
            leaks=with_reward([one.leaks for one in found]),
            redundancy=with_reward([np.array([redundancy(text) for text in one.texts]) for one in found]),
        ),
        **known,
    )


def _head_room(
    found: Sequence[_HalvedContext], weights: Floats, owners: Sequence[str]
) -> tuple[HeadRoom, HeadRoom, Figure]:
    """Gains of the best direction of one half, measured on the other half and averaged over both ways."""
    old_error, against_old, against_mean, future = (np.zeros(len(found)) for _ in range(4))
    for i, one in enumerate(found):
        for chosen_on, measured_on in ((0, 1), (1, 0)):
            best = int(np.argmax(one.halves[chosen_on] @ weights))
            measured = one.halves[measured_on] @ weights
            against_old[i] += measured[best] / 2
            against_mean[i] += (measured[best] - measured.mean()) / 2
            future[i] += one.halves[measured_on][best, 2] / 2
            old_error[i] += one.old[measured_on] @ weights / 2

    def room(gains: Floats) -> HeadRoom:
        return HeadRoom(
            r=Figure.of(ratio_of_sums(gains, np.ones(len(gains)), owners)),
            per_rating=Figure.of(ratio_of_sums(gains, np.full(len(gains), weights.sum()), owners)),
            percent=Figure.of(ratio_of_sums(100 * gains, old_error, owners)),
        )

    return room(against_old), room(against_mean), Figure.of(ratio_of_sums(future, np.ones(len(found)), owners))
