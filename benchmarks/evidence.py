"""What do train users show of kinds, and how sure are statements on kinds? Fit the recipe of evidence, and test it.

    python benchmarks/evidence.py --data movielens_small,FOLDER,FOLDER > evidence.json

`fitted` is what train users show who are no validation users. It holds for each domain, and for all domains whose kinds
are categories and all whose kinds are words of titles (`all_categories`, `all_words`; users of all these domains weigh
alike):

- `weights`: the share of users for each of `EvidenceRecipe.kind_deviations`, by EM on `log_evidence`. They are the
  recipe's `category_weights` and `word_weights`.
- `noise` and `noise_weight`: the scaled inverse chi-squared distribution of users' variances around their level, as a
  share of the scale's range, by its first two moments (of sample variances, net of their own sampling error). Tastes
  are part of this variance, so the noise around level and kinds is a little smaller.

`statements` tests validation users, with the recipe as it is. For each k, W_0..W_k tell kinds as clear or hedged. In
W_{k+1}, `difference` is the mean rating of the kind minus that of the rest, in the stated direction; `right` is the
share of statements with a positive one (ties count half); `stated` is the effect that W_0..W_k gave. Of each user the
mean over all statements; over users a mean with a 95 % t interval. `kept` is the ratio of difference and stated effect,
1 if statements are as sure as they say. `told` is the number of statements in a persona. Single items are mostly
chance, so `right` stays far below the stated certainty: `kept` is the test.

Nothing is random, so `seed` is null. It takes seconds for the bundled data, and minutes for large domains.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deeper.behaviour.load import load_windows
from deeper.behaviour.users import choose_users
from deeper.domains import Domain
from deeper.measure.intervals import domain_ratio_interval, mean_interval
from deeper.persona.evidence.facts import CLEAR, HEDGED, Window, rated, ratings_of, strength_of, told_effects
from deeper.persona.evidence.kind_effects import KindEffect, kind_effects, log_evidence
from deeper.persona.evidence.kinds import kinds_of
from deeper.persona.evidence.recipe import EVIDENCE
from deeper.storage.provenance import dump_recipes, provenance
from paired import with_interval

LEAST_RATINGS = 20
"""A user with fewer ratings shows nothing of how strong tastes are."""
ROUNDS = 300
"""Rounds of EM."""
CERTAINTIES = {"clear": CLEAR, "hedged": HEDGED}
Floats = NDArray[np.float64]
User = Sequence[Window]


def main() -> None:
    """Fit, test and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="as for deeper evaluate; several separated by commas")
    parser.add_argument("--domains", default="", help="domains to look at, separated by commas; all by default")
    parser.add_argument("--users", type=int, default=10**6, help="users of each domain and side, at most")
    given = parser.parse_args()
    loaded = load_windows(given.data, given.domains.split(",") if given.domains else None)
    sides = {name: choose_users(loaded.windows, parts, given.users)
             for name, parts in (("fitted", ["a", "b"]), ("tested", ["validation"]))}  # fmt: skip
    users = {
        side: {name: [windows for key, windows in found.items() if key[0] == name] for name in loaded.domains}
        for side, found in sides.items()
    }
    sizes = {name: {side: len(found[name]) for side, found in users.items()} for name in loaded.domains}
    statements = {
        name: tested_statements(found, loaded.domains[name]) for name, found in users["tested"].items() if found
    }
    result = {
        "benchmark": "evidence",
        **provenance(),
        "seed": None,
        "sizes": sizes,
        "recipe": dump_recipes(evidence=EVIDENCE)["evidence"],
        "fitted": fitted(users["fitted"], loaded.domains),
        "statements": statements,
    }
    print(json.dumps(result, indent=1))


def fitted(users: Mapping[str, Sequence[User]], domains: Mapping[str, Domain]) -> dict[str, Any]:
    """Return the weights and the noise of each domain, and of all domains with one sort of kinds."""
    found: dict[str, Any] = {}
    of_sort: dict[str, list[Floats]] = {"categories": [], "words": []}
    for name, mine in users.items():
        by_sort = log_likelihoods(mine, domains[name])
        weights = {sort: deviation_weights(rows) for sort, rows in by_sort.items() if len(rows)}
        found[name] = {"weights": weights, **noise(mine, domains[name])}
        for sort, rows in by_sort.items():
            of_sort[sort] += [rows] if len(rows) else []
    pooled = {sort: np.concatenate(rows) for sort, rows in of_sort.items() if rows}
    for sort, rows in pooled.items():
        found[f"all_{sort}"] = {"users": len(rows), "weights": deviation_weights(rows)}
    return found


def log_likelihoods(users: Sequence[User], domain: Domain) -> dict[str, Floats]:
    """Return the log-likelihoods of the possible deviations, by sort of kinds; shape (users, deviations) each."""
    found: dict[str, list[Floats]] = {"categories": [], "words": []}
    for windows in users:
        items = [item for window in windows for item in rated(window, domain)]
        shown = log_evidence(items, ratings_of(items), domain) if len(items) >= LEAST_RATINGS else None
        if shown:
            found["categories" if shown[1] else "words"].append(shown[0])
    return {sort: np.array(rows) for sort, rows in found.items()}


def deviation_weights(likelihoods: Floats) -> list[float]:
    """Return the likeliest share of users with each deviation, by EM (Dempster, Laird and Rubin, 1977).

    Args:
        likelihoods: Log-likelihood of each user's ratings under each deviation; shape (users, deviations).
    """
    scaled = np.exp(likelihoods - likelihoods.max(axis=1, keepdims=True))
    weights = np.full(likelihoods.shape[1], 1 / likelihoods.shape[1])
    for _ in range(ROUNDS):
        joint = scaled * weights
        weights = (joint / joint.sum(axis=1, keepdims=True)).mean(axis=0)
    return weights.round(3).tolist()


def noise(users: Sequence[User], domain: Domain) -> dict[str, float | None]:
    """Return `noise` and `noise_weight` of a domain (see the top of this file); None where users are too alike."""
    span = domain.scale.maximum - domain.scale.minimum
    ratings = [ratings_of([item for window in windows for item in rated(window, domain)]) for windows in users]
    ratings = [some for some in ratings if len(some) >= LEAST_RATINGS]
    if len(ratings) < 2:
        return {"noise": None, "noise_weight": None}
    variances = np.array([some.var(ddof=1) for some in ratings]) / span**2
    sampling = np.mean([2 * variance**2 / (len(some) + 1) for variance, some in zip(variances, ratings, strict=True)])
    mean, spread = variances.mean(), variances.var(ddof=1) - sampling
    if spread <= 0:
        return {"noise": round(float(np.sqrt(mean)), 3), "noise_weight": None}
    weight = 2 * mean**2 / spread + 4
    return {"noise": round(float(np.sqrt(mean * (weight - 2) / weight)), 3), "noise_weight": round(float(weight), 1)}


def tested_statements(users: Sequence[User], domain: Domain) -> dict[str, Any]:
    """Return how statements on kinds came true; see the top of this file."""
    found: dict[str, list[Floats]] = {name: [] for name in CERTAINTIES}
    told = {name: 0 for name in CERTAINTIES}
    personas = 0
    for windows in users:
        rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in CERTAINTIES}
        for k in range(len(windows) - 1):
            items = [item for window in windows[: k + 1] for item in rated(window, domain)]
            if not items:
                continue
            personas += 1
            effects = told_effects(kind_effects(items, ratings_of(items), domain))
            for name, certainty in CERTAINTIES.items():
                some = [one for one in effects if abs(strength_of(one)) == certainty]
                told[name] += len(some)
                rows[name] += _came_true(some, windows[k + 1], domain)
        for name, own in rows.items():
            found[name] += [np.array(own)] if own else []
    return {name: {"told": round(told[name] / max(personas, 1), 3), **_summary(rows)} for name, rows in found.items()}


def _summary(rows: Sequence[Floats]) -> dict[str, Any]:
    """The statements of users, with right, difference and stated effect in columns."""
    sizes = {"statements": sum(map(len, rows)), "users": len(rows)}
    if not rows:
        return sizes
    right, difference, stated = np.array([own.mean(axis=0) for own in rows]).T
    means = {"right": right, "difference": difference, "stated": stated}
    return {
        **sizes,
        **{name: with_interval(mean_interval(values)) for name, values in means.items()},
        "kept": with_interval(domain_ratio_interval([difference], [stated])),
    }


def _came_true(told: Sequence[KindEffect], window: Window, domain: Domain) -> list[tuple[float, float, float]]:
    """Right or not, difference and stated effect of each statement that the window can test."""
    items = rated(window, domain)
    names = [{*kinds, *map(str.casefold, kinds.values())} for kinds in kinds_of(items, domain)]
    ratings = ratings_of(items)
    rows: list[tuple[float, float, float]] = []
    for one in told:
        has = np.array([one.name.casefold() in some for some in names], bool)
        if has.any() and not has.all():
            difference = float(ratings[has].mean() - ratings[~has].mean()) * (1 if one.effect > 0 else -1)
            rows.append((float(np.sign(difference)) / 2 + 0.5, difference, abs(one.effect)))
    return rows


if __name__ == "__main__":
    main()
