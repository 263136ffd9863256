"""How low can the error get? Predict ratings without language, from all that other users and the user's past show.

    python benchmarks/ceiling.py --data movielens_small,FOLDER,FOLDER > ceiling.json

The true limit is unknown: this is what well-kept libraries reach, so the limit is at least as low. A Gaussian process
of each user's ratings (level, drift, likeness of titles, repeated titles), shrunk effects of items and a ridge
regression on their title words and categories feed LightGBM and a multinomial logistic regression. The mean of both
distributions is the prediction, its median the point. The rows know:

    level        how much the user gives, weighed by how much is known
    own_taste    also how the user rated similar items
    items        level, and what other users think of the item
    all          all of this

Everything is fitted on train users. `--split validation` (the default) fits on parts a and b and judges the validation
users; sizes and penalties were chosen on them, so these figures are slightly too good. `--split eval` fits on all train
users and judges the eval users: it is final, so nothing may be chosen after it. Domains without train users are listed
as not available.

The JSON it prints holds for each domain and for the mean of all domains:

- `pooled` and `by_round`: `mae_ratio` and `crps_ratio`, the errors divided by the running user median's (whose CRPS is
  its MAE), with a 95 % interval over users; `mae`, `crps`; `rank_accuracy`. `pooled` averages each user's rounds.
- `against_level`: the same ratios to the row `level`.
- `refining`: all windows divided by the first one alone (`all_vs_first`: what refining can be worth), and the last
  window alone divided by all windows (`last_vs_all`), over all rounds from 1 on and in each domain's last round.

It takes about 5 minutes on two cores for the bundled data and three published domains. LightGBM needs the system's
OpenMP library (Debian: libgomp1).
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow.compute as pc

from ceiling_features import KNOWN, Moments, fit_processes, moments
from ceiling_items import likenesses, standing
from ceiling_models import predicted
from ceiling_process import Cases
from ceiling_ratings import Ratings, read_ratings
from ceiling_report import (
    Errors,
    Predictions,
    by_domain_and_mean,
    compared,
    domains_with,
    errors_of,
    in_round,
    last_round,
    later_rounds,
    of_points,
    of_shares,
    over_rounds,
)
from deeper.behaviour.load import load_windows
from deeper.storage.provenance import provenance
from paired import SEED

HISTORIES = {"all": tuple(KNOWN), "first": ("level", "all"), "last": ("level", "all")}
"""The windows that are known, and the rows that are predicted from them."""
USER_MEDIAN = "user_median"
Say = Callable[[str], None]
ErrorsOf = dict[tuple[str, str], Errors]
"""Errors by history and row."""


def main() -> None:
    """Fit, predict and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="as for deeper evaluate; several separated by commas")
    parser.add_argument("--domains", default="", help="domains to look at, separated by commas; all by default")
    parser.add_argument("--rounds", type=int, default=4, help="refinements")
    parser.add_argument("--split", choices=("validation", "eval"), default="validation", help="eval is final")
    parser.add_argument("--users", type=int, help="users of each domain to fit on and to judge, at most, for a trial")
    given = parser.parse_args()
    found, start = provenance(), time.monotonic()
    found["versions"] |= {name: version(name) for name in ("lightgbm", "scikit-learn", "scipy")}

    def say(what: str) -> None:
        print(f"{time.monotonic() - start:6.0f} s  {what}", file=sys.stderr, flush=True)

    loaded = load_windows(given.data, given.domains.split(",") if given.domains else None)
    sizes: dict[str, dict[str, int]] = {}
    missing: dict[str, str] = {}
    errors: dict[str, ErrorsOf] = {}
    for name, domain in loaded.domains.items():
        windows = loaded.windows.filter(pc.field("domain") == name).to_pylist()
        ratings = read_ratings(windows, domain, given.split, given.users)
        if reason := ratings.missing():
            missing[name] = f"not available: {reason}"
            say(f"{name}: {missing[name]}")
            continue
        sizes[name] = ratings.sizes()
        say(f"{name}: fits on {sizes[name]['fit_users']} users, judges {sizes[name]['users']}")
        errors[name] = domain_errors(ratings, given.rounds, say)
    found |= {"seed": SEED, "split": given.split, "rounds": given.rounds, "sizes": sizes, "not_available": missing}
    found |= report(errors, given.rounds) | {"seconds": round(time.monotonic() - start)}
    print(json.dumps({"benchmark": "ceiling", **found}, indent=1))


def domain_errors(ratings: Ratings, rounds: int, say: Say) -> ErrorsOf:
    """Return the errors of each row from each history, and those of the user median; users and rounds as judged."""
    known = standing(ratings, SEED)
    slots = (rounds + 2) * ratings.window_size
    likeness = likenesses(ratings, slots, SEED)
    cases = Cases(ratings.rating[:, :slots], known.both[:, :slots], likeness)
    say("knowledge of items is ready")
    processes = fit_processes(ratings, cases, SEED)
    for name, process in processes.items():
        numbers = ", ".join(f"{part} {value:.2f}" for part, value in process.deviations.items())
        say(f"process {name}: {numbers}; memory {process.memory:.0f}, slope {process.slope:.2f}")
    errors: ErrorsOf = {}
    for history, rows in HISTORIES.items():
        table = moments(ratings, known, cases, processes, history, rounds)
        for row in rows:
            errors[history, row] = _row_errors(ratings, table, row, rounds)
            pooled = np.nanmean(over_rounds(errors[history, row].mae))
            say(f"{row} from {history} windows: mean absolute error {pooled:.4f}")
        medians = of_points(table.median[ratings.judged[table.user]])
        errors[history, USER_MEDIAN] = _errors(ratings, table, medians, rounds)
    return errors


def report(errors: Mapping[str, ErrorsOf], rounds: int) -> dict[str, Any]:
    """Compare the rows: with the user median, with the level, and histories with each other."""
    names = list(errors)
    if not names:
        return {}

    def rows(history: str, some: Sequence[str], domains: Sequence[str]) -> dict[str, dict[str, Errors]]:
        return {row: {name: errors[name][history, row] for name in domains} for row in some}

    def against(baseline: str) -> Callable[[Sequence[str]], dict[str, Any]]:
        some = [row for row in (USER_MEDIAN, *KNOWN) if baseline == USER_MEDIAN or row != USER_MEDIAN]
        return lambda domains: compared(rows("all", some, domains), baseline, over_rounds)

    def each_round(domains: Sequence[str]) -> list[dict[str, Any]]:
        whole = rows("all", (USER_MEDIAN, *KNOWN), domains)
        there = {t: domains_with(whole[USER_MEDIAN], in_round(t)) for t in range(rounds + 1)}
        return [
            {"round": t, "domains": len(some), "rows": compared(whole, USER_MEDIAN, in_round(t))}
            for t, some in there.items()
            if some
        ]

    def refining(some: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        domains = domains_with(rows("all", [USER_MEDIAN], some)[USER_MEDIAN], later_rounds)
        if not domains:
            return found
        for label, mine, theirs in (("all_vs_first", "all", "first"), ("last_vs_all", "last", "all")):
            found[label] = {
                row: {
                    part: compared({side: rows(side, [row], domains)[row] for side in (mine, theirs)}, theirs, summary)[
                        mine
                    ]
                    for part, summary in (("rounds_from_1", later_rounds), ("last_round", last_round))
                }
                for row in (USER_MEDIAN, *HISTORIES["first"])
            }
        return found

    return {
        "pooled": by_domain_and_mean(names, against(USER_MEDIAN)),
        "against_level": by_domain_and_mean(names, against("level")),
        "by_round": {name: each_round([name]) for name in names} | {"mean": each_round(names)},
        "refining": by_domain_and_mean(names, refining),
    }


def _row_errors(ratings: Ratings, table: Moments, row: str, rounds: int) -> Errors:
    scale, features, judged = ratings.domain.scale, table.matrix(KNOWN[row]), ratings.judged[table.user]
    labels = scale.index(table.rating[~judged])
    shares = predicted(features[~judged], labels, features[judged], len(scale.values), SEED)
    return _errors(ratings, table, of_shares(shares, scale), rounds)


def _errors(ratings: Ratings, table: Moments, predictions: Predictions, rounds: int) -> Errors:
    judged = ratings.judged[table.user]
    user = np.searchsorted(np.flatnonzero(ratings.judged), table.user[judged])
    shape = (int(ratings.judged.sum()), rounds + 1)
    return errors_of(predictions, table.rating[judged], (user, table.round[judged]), shape)


if __name__ == "__main__":
    main()
