"""Means over users of what personas hold, by domain, method and round."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deeper.evaluation.comparison import DomainGroup
from deeper.evaluation.methods import in_order
from deeper.evaluation.substance.entry import MeanOfUsers, SubstanceEntry
from deeper.evaluation.substance.user_measures import Place, UserMeasures
from deeper.measure.intervals import domain_mean_interval

Floats = NDArray[np.float64]
Users = Sequence[Sequence[UserMeasures]]
"""The measures of each user of a domain: that of a round, or those of all rounds."""


def substance_entries(
    measures: Mapping[Place, UserMeasures], groups: Sequence[DomainGroup], rounds: int
) -> list[SubstanceEntry]:
    """Summarise the measures of users.

    Args:
        measures: By domain, user, method and round.
        groups: Domains and means over domains; a mean needs a value of each of its domains.
        rounds: The last round.

    Returns:
        For each group and method an entry of each round, then one of all rounds together.
    """
    by_user: dict[tuple[str, str], dict[str, dict[int, UserMeasures]]] = {}
    for (domain, user, method, t), one in measures.items():
        by_user.setdefault((domain, method), {}).setdefault(user, {})[t] = one
    entries: list[SubstanceEntry] = []
    for group in groups:
        for method in in_order({method for _, method in by_user}):
            of_domain = [by_user.get((domain, method), {}).values() for domain in group.domains]
            for t in (*range(rounds + 1), None):
                domains = [
                    [_chosen(of_round, t) for of_round in users if t is None or t in of_round] for users in of_domain
                ]
                if all(domains):
                    entries.append(_entry(group.name, method, t, domains))
    return entries


def _chosen(of_round: Mapping[int, UserMeasures], t: int | None) -> list[UserMeasures]:
    return list(of_round.values()) if t is None else [of_round[t]]


def _entry(domain: str, method: str, t: int | None, domains: Sequence[Users]) -> SubstanceEntry:
    held = [[[one.held for one in own if one.held] for own in users] for users in domains]
    words = [frozenset[str]().union(*(text.content for own in users for text in own)) for users in held]
    return SubstanceEntry(
        domain=domain,
        method=method,
        round=t,
        names_kind=_mean([_by_user([[float(bool(text.kinds)) for text in own] for own in users]) for users in held], 1),
        content_words=float(np.mean([len(found) for found in words])) if all(any(users) for users in held) else None,
        later_residuals=_mean([_by_user([[one.residual for one in own] for own in users]) for users in domains]),
        beyond_level=_mean([_by_user([[one.beyond_level for one in own] for own in users]) for users in domains], 1),
    )


def _by_user(values: Sequence[Sequence[float]]) -> Floats:
    """The mean of each user's values without NaN, for the users who have one; shape (users,)."""
    known = [[value for value in own if not np.isnan(value)] for own in values]
    return np.array([np.mean(own) for own in known if own], np.float64)


def _mean(domains: Sequence[Floats], most: float = math.inf) -> MeanOfUsers | None:
    """The mean over domains; None if one has no user with a value.

    Args:
        domains: For each domain, one number a user, shape (users,).
        most: The largest possible mean; a share cannot be above 1.
    """
    if not all(map(len, domains)):
        return None
    found = domain_mean_interval(domains, least=-math.inf if most == math.inf else 0)
    return MeanOfUsers(value=found.mean, ci=(found.low, min(found.high, most)), users=sum(map(len, domains)))
