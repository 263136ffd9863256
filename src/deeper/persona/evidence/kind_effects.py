"""How far a user rates a kind of items above or below the rest, and how sure the sign is.

With y a user's ratings (or the errors of their prediction) and X the kinds of the items as 0 or 1,

    y = level + X·β + noise        β ~ N(0, ρ²σ²)        noise ~ N(0, σ²)

The level has a flat prior and is projected out. σ² has a scaled inverse χ² prior, and ρ one of a few values with
weights: both are what train users show (`benchmarks/evidence.py`). So a kind with few titles moves little, and a user
whose tastes are strong is believed sooner. Means are exact. The sign's probability takes a normal distribution for
Student's t, whose degrees of freedom are many. Source: the conjugate linear model, Gelman et al. (2013), Bayesian data
analysis, section 14.8; averaging over ρ, section 5.3.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeper.domains import Domain
from deeper.persona.evidence.kinds import kinds_of
from deeper.persona.evidence.recipe import EVIDENCE

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class KindEffect:
    """What ratings show of a kind.

    Attributes:
        name: The form of the kind that is shown.
        effect: By how much the kind lies above (below if negative) the rest, in units of the rating; shrunk.
        sure: Probability that the sign of the effect is right.
        titles: Distinct titles that it rests on.
        members: Positions of the items of the kind.
    """

    name: str
    effect: float
    sure: float
    titles: int
    members: frozenset[int]


@dataclass(frozen=True)
class _Kinds:
    """The kinds of some items.

    Attributes:
        names: The form of each kind that is shown.
        has: Whether an item is of a kind, 0 or 1; shape (items, kinds).
        titles: Distinct titles of each kind.
        are_categories: Whether kinds are categories; else they are words and eras of titles.
    """

    names: Sequence[str]
    has: Floats
    titles: Sequence[int]
    are_categories: bool


def kind_effects(items: Sequence[Mapping[str, Any]], values: Floats, domain: Domain) -> list[KindEffect]:
    """Compute the effects of all kinds that have enough titles.

    Args:
        items: Items with a rating, as rows of `behaviour.schema.ITEM`.
        values: Their ratings, or actual minus predicted ratings; shape (items,).
        domain: Their domain.

    Returns:
        The surest first; equally sure ones by name.
    """
    kinds = _kinds(items, domain)
    if kinds is None:
        return []
    mean, sure = _posterior(kinds, values, domain.scale.maximum - domain.scale.minimum)
    effects = [
        KindEffect(name, float(mean[j]), float(sure[j]), kinds.titles[j], frozenset(np.flatnonzero(has).tolist()))
        for j, (name, has) in enumerate(zip(kinds.names, kinds.has.T, strict=True))
    ]
    return sorted(effects, key=lambda one: (-round(one.sure, 9), one.name))


def log_evidence(items: Sequence[Mapping[str, Any]], values: Floats, domain: Domain) -> tuple[Floats, bool] | None:
    """The log-likelihood of the ratings under each of `kind_deviations`, to fit their weights.

    Returns:
        Shape (deviations,), and whether kinds are categories; None if no kind has enough titles.
    """
    kinds = _kinds(items, domain)
    if kinds is None:
        return None
    likelihood, _, _ = _by_deviation(kinds, values, domain.scale.maximum - domain.scale.minimum)
    return likelihood, kinds.are_categories


def _kinds(items: Sequence[Mapping[str, Any]], domain: Domain) -> _Kinds | None:
    """The kinds that have enough titles and not all items; None without any."""
    of_item = kinds_of(items, domain)
    members: dict[str, list[int]] = {}
    forms: dict[str, Counter[str]] = {}
    for position, kinds in enumerate(of_item):
        for key, form in kinds.items():
            members.setdefault(key, []).append(position)
            forms.setdefault(key, Counter())[form] += 1
    # Kinds of the very same items cannot be told apart: the longest name says most.
    chosen: dict[tuple[int, ...], str] = {}
    for key in sorted(members, key=lambda key: (-len(key), key)):
        titles = {items[position]["title"] for position in members[key]}
        if EVIDENCE.kind_min_titles <= len(titles) and len(members[key]) < len(items):
            chosen.setdefault(tuple(members[key]), key)
    if not chosen:
        return None
    has = np.zeros((len(items), len(chosen)))
    for column, positions in enumerate(chosen):
        has[list(positions), column] = 1.0
    names = [min(forms[key], key=lambda form: (-forms[key][form], form)) for key in chosen.values()]
    titles = [len({items[position]["title"] for position in positions}) for positions in chosen]
    return _Kinds(names, has, titles, any(item.get("categories") for item in items))


def _by_deviation(kinds: _Kinds, values: Floats, span: float) -> tuple[Floats, list[Floats], list[Floats]]:
    """For each possible deviation: the log-likelihood, the mean of the effects, and their standard deviation."""
    centred = kinds.has - kinds.has.mean(axis=0)
    left, singular, right = np.linalg.svd(centred, full_matrices=False)
    rated = values - values.mean()
    along = left.T @ rated
    rest = max(float(rated @ rated - along @ along), 0.0)
    freedom = EVIDENCE.noise_weight + len(values) - 1
    prior = EVIDENCE.noise_weight * (EVIDENCE.noise * span) ** 2
    likelihoods: list[float] = []
    means: list[Floats] = []
    deviations: list[Floats] = []
    for ratio in EVIDENCE.kind_deviations:
        variance = 1 + ratio**2 * singular**2
        squares = prior + rest + float((along**2 / variance).sum())
        likelihoods.append(-0.5 * float(np.log(variance).sum()) - freedom / 2 * float(np.log(squares)))
        means.append(ratio**2 * right.T @ (singular * along / variance))
        kept = 1 - ratio**2 * ((right.T * (singular / np.sqrt(variance))) ** 2).sum(axis=1)
        deviations.append(ratio * np.sqrt(squares / freedom * np.maximum(kept, 1e-12)))
    return np.array(likelihoods), means, deviations


def _posterior(kinds: _Kinds, values: Floats, span: float) -> tuple[Floats, Floats]:
    """The mean of each kind's effect, and the probability of its sign."""
    likelihoods, means, deviations = _by_deviation(kinds, values, span)
    weights = EVIDENCE.category_weights if kinds.are_categories else EVIDENCE.word_weights
    shares = np.array(weights) * np.exp(likelihoods - likelihoods.max())
    shares /= shares.sum()
    mean = sum((share * one for share, one in zip(shares, means, strict=True)), np.zeros(len(kinds.names)))
    above = sum(
        (share * _normal_below(one / wide) for share, one, wide in zip(shares, means, deviations, strict=True)),
        np.zeros(len(kinds.names)),
    )
    return mean, np.where(mean >= 0, above, 1 - above)


def _normal_below(z: Floats) -> Floats:
    """The cumulative normal distribution."""
    return np.array([0.5 * (1 + erf(one / 2**0.5)) for one in z.tolist()])
