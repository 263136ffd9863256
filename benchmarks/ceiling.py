"""How low can the error get? Predict from facts with a regression, in place of a policy and a predictor.

    python benchmarks/ceiling.py --data movielens_small --data FOLDER [--domains A,B] > ceiling.json

For each domain it fits a multinomial logistic regression (`deeper.learning.examples.expected_ratings`) from facts to
the next window's ratings, on train users, and measures its error on validation users in all rounds. The facts are one
of:

    what_updates_leave             what a persona can hold after its updates (`deeper.learning.describer.updated_facts`)
    what_updates_leave_and_items   the same, and the items' standing (`deeper.learning.examples.item_standing`)
    verdict_alone                  the level alone
    all_windows, first_window      facts of all windows so far, or of the first one for ever

Two predictions need no regression: `verdict_itself` (the level is the prediction) and `constant` (the domain's).

`vs_user_median` divides each error by the user median's, with a 95 % interval over users. `by_round` does so round by
round, over the domains that have the round. `last_round` compares what updates leave with the first window, and the
user median with the first window's median, in each domain's last round. Prints JSON.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deeper.behaviour.load import load_windows
from deeper.behaviour.users import choose_users
from deeper.domains import Domain
from deeper.learning.describer.facts import facts_of
from deeper.learning.describer.updated_facts import facts_after_updates
from deeper.learning.examples.expected_ratings import ExpectedRatings, RatedItems
from deeper.learning.examples.item_standing import ItemStandings
from deeper.learning.examples.readings import soft_labels
from deeper.learning.examples.user_windows import UserWindows
from deeper.learning.training.fit_expected_ratings import fit_expected_ratings
from deeper.measure.intervals import domain_ratio_interval
from deeper.measure.metrics import mean_absolute_error, weighted_median
from deeper.storage.provenance import provenance

SEED = 1
Floats = NDArray[np.float64]
SEEN = {
    "what_updates_leave": facts_after_updates,
    "all_windows": facts_of,
    "first_window": lambda windows, domain: facts_of(windows[:1], domain),
}
"""What a regression may know, as a function of the windows so far."""
WITH_ITEMS = "what_updates_leave_and_items"
BY_ROUND = ("what_updates_leave", WITH_ITEMS, "all_windows")


def main() -> None:
    """Fit, predict and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, action="append", help="as for deeper evaluate; repeatable")
    parser.add_argument("--domains", default="", help="domains to look at, separated by commas; all by default")
    parser.add_argument("--rounds", type=int, default=4, help="refinements")
    given = parser.parse_args()
    errors: dict[str, dict[str, Floats]] = {}
    for source in given.data:
        loaded = load_windows(source, given.domains.split(",") if given.domains else None)
        for name, domain in loaded.domains.items():
            train, validation = (
                [UserWindows(domain, user, ws) for (of, user), ws in choose_users(loaded.windows, parts, 10**6).items()
                 if of == name]
                for parts in (["a", "b"], ["validation"])
            )  # fmt: skip
            errors[name] = prediction_errors(train, validation, domain, given.rounds)
    means = {name: {kind: np.nanmean(rounds, axis=1) for kind, rounds in of.items()} for name, of in errors.items()}
    ends = {name: {kind: last_round(rounds) for kind, rounds in of.items()} for name, of in errors.items()}
    print(
        json.dumps(
            {
                "benchmark": "ceiling",
                **provenance(),
                "seed": SEED,
                "users": {name: len(of["user_median"]) for name, of in means.items()},
                "vs_user_median": {
                    **{name: compared({name: of}, "user_median") for name, of in means.items()},
                    "mean": compared(means, "user_median"),
                },
                "by_round": [by_round(errors, t) for t in range(given.rounds + 1)],
                "last_round": {
                    "what_updates_leave_vs_first_window": compared(ends, "first_window")["what_updates_leave"],
                    "user_median_vs_first_median": compared(ends, "first_median")["user_median"],
                },
            },
            indent=1,
        )
    )


def prediction_errors(
    train: Sequence[UserWindows], validation: Sequence[UserWindows], domain: Domain, rounds: int
) -> dict[str, Floats]:
    """Return the errors of each prediction; shape (users, rounds + 1), NaN where a user has no such round."""
    nothing, items = ItemStandings(domain, []), ItemStandings(domain, train)
    fitted = {name: fit(train, domain, name, nothing, rounds) for name in SEEN}
    fitted[WITH_ITEMS] = fit(train, domain, "what_updates_leave", items, rounds)
    errors: dict[str, list[Floats]] = defaultdict(list)
    for user in validation:
        own: dict[str, Floats] = defaultdict(lambda: np.full(rounds + 1, np.nan))
        for k, past, titles, ratings in moments(user, rounds):
            known = {name: of(user.windows[: k + 1], domain) for name, of in SEEN.items()}
            left = known["what_updates_leave"]
            plain = np.zeros((len(titles), 2))
            found = {name: fitted[name].predict(known[name], plain) for name in SEEN}
            found["verdict_alone"] = fitted["what_updates_leave"].predict(left, plain, "median")
            found["constant"] = fitted["all_windows"].predict(left, plain, "nothing")
            found[WITH_ITEMS] = fitted[WITH_ITEMS].predict(left, items.features(left, titles))
            points = {name: weighted_median(shares, domain.scale.values) for name, shares in found.items()}
            for name, value in (
                ("verdict_itself", left.median),
                ("user_median", float(np.median(past))),
                ("first_median", known["first_window"].median),
            ):
                points[name] = np.full(len(ratings), value)
            for name, values in points.items():
                own[name][k] = mean_absolute_error(values, ratings)
        for name, values in own.items():
            errors[name].append(values)
    return {name: np.array(values) for name, values in errors.items()}


def by_round(errors: Mapping[str, Mapping[str, Floats]], t: int) -> dict[str, object]:
    """Return ratios to the user median in one round, over the domains and users that have it."""
    there = {
        domain: {name: values[~np.isnan(values[:, t]), t] for name, values in of.items()}
        for domain, of in errors.items()
        if not np.isnan(of["user_median"][:, t]).all()
    }
    found = compared(there, "user_median")
    return {"round": t, "domains": sorted(there)} | {name: found[name] for name in BY_ROUND}


def last_round(errors: Floats) -> Floats:
    """Return the errors in the last round that any user has; shape (users,)."""
    column = errors[:, np.flatnonzero(~np.isnan(errors).all(axis=0))[-1]]
    return column[~np.isnan(column)]


def fit(train: Sequence[UserWindows], domain: Domain, seen: str, items: ItemStandings, rounds: int) -> ExpectedRatings:
    """Fit the regression from what is known to the next window's ratings."""
    rated: list[RatedItems] = []
    for user in train:
        for k, _, titles, ratings in moments(user, rounds):
            known = SEEN[seen](user.windows[: k + 1], domain)
            shares = soft_labels(ratings.tolist(), domain.scale)
            rated.append(RatedItems(known, items.features(known, titles, user.user), shares))
    return fit_expected_ratings(rated, domain.scale)


def moments(user: UserWindows, rounds: int) -> Iterator[tuple[int, Floats, list[str], Floats]]:
    """Yield each round with all real ratings so far, and titles and ratings of the next window."""
    is_real = user.domain.is_rated
    rated = [[item for item in window if is_real(np.array(item["rating"]))] for window in user.windows]
    real = [np.array([item["rating"] for item in window], np.float64) for window in rated]
    for k in range(min(rounds + 1, len(real) - 1)):
        past = np.concatenate(real[: k + 1])
        if len(past) and len(real[k + 1]):
            yield k, past, [item["title"] for item in rated[k + 1]], real[k + 1]


def compared(errors: Mapping[str, Mapping[str, Floats]], with_: str) -> dict[str, dict[str, object]]:
    """Return ratios of domain means to those of one prediction."""
    below = [of[with_] for of in errors.values()]
    kinds = [kind for kind in next(iter(errors.values())) if kind != with_]
    found = {kind: domain_ratio_interval([of[kind] for of in errors.values()], below) for kind in kinds}
    return {
        kind: {"value": round(one.mean, 4), "ci": [round(one.low, 4), round(one.high, 4)]}
        for kind, one in found.items()
    }


if __name__ == "__main__":
    main()
