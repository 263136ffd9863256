"""What predictions from personas can reach at the most: a regression on facts in place of a reader of words.

    python benchmarks/ceiling.py --data movielens_small --data FOLDER [--domains A,B] > ceiling.json

For each domain a multinomial logistic regression (`deeper.learning.usual`) from facts to the next window's ratings,
fitted on train users and judged on validation users in all rounds: with what updates leave (`deeper.learning.evolve`),
with the verdict of that alone, with the facts of all windows, and with those of the first window for ever. Beside them
the verdict that updates leave, taken for the prediction, and the domain's own constant. Each is the ratio of its error
to the user median's, with a 95 % interval over users. JSON to standard output.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deeper.behaviour.load import load_windows
from deeper.domains import Domain
from deeper.learning.contexts import choose_users
from deeper.learning.evolve import evolved
from deeper.learning.facts import Facts, facts
from deeper.learning.people import Person
from deeper.learning.readings import soft_labels
from deeper.learning.usual import Usual, fit_usual
from deeper.measure.bootstrap import domain_ratio_interval
from deeper.measure.errors import mean_absolute_error, weighted_median
from deeper.pipeline.provenance import provenance

SEED = 1
Floats = NDArray[np.float64]
SEEN = {
    "what_updates_leave": evolved,
    "all_windows": facts,
    "first_window": lambda windows, domain: facts(windows[:1], domain),
}
"""From the windows so far to what is known."""


def main() -> None:
    """Fit, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, action="append", help="as for deeper evaluate; repeatable")
    parser.add_argument("--domains", default="", help="domains to look at, separated by commas; all by default")
    parser.add_argument("--rounds", type=int, default=4, help="refinements")
    given = parser.parse_args()
    errors: dict[str, dict[str, Floats]] = {}
    for source in given.data:
        loaded = load_windows(source, given.domains.split(",") if given.domains else None)
        for name, domain in loaded.domains.items():
            train, judged = (
                [Person(domain, user, ws) for (of, user), ws in choose_users(loaded.windows, parts, 10**6).items()
                 if of == name]
                for parts in (["a", "b"], ["validation"])
            )  # fmt: skip
            errors[name] = judge(train, judged, domain, given.rounds)
    median = {name: found.pop("user_median") for name, found in errors.items()}
    print(
        json.dumps(
            {
                "benchmark": "ceiling",
                **provenance(),
                "seed": SEED,
                "users": {name: len(found) for name, found in median.items()},
                "vs_user_median": {name: compared({name: found}, median) for name, found in errors.items()}
                | {"mean": compared(errors, median)},
            },
            indent=1,
        )
    )


def judge(train: Sequence[Person], judged: Sequence[Person], domain: Domain, rounds: int) -> dict[str, Floats]:
    """Errors of each prediction, mean over the rounds; shape (users,)."""
    fitted = {name: fit(train, domain, name, rounds) for name in SEEN}
    errors: dict[str, list[float]] = defaultdict(list)
    for person in judged:
        own: dict[str, list[float]] = defaultdict(list)
        for k, past, ratings in moments(person, rounds):
            known = {name: of(person.windows[: k + 1], domain) for name, of in SEEN.items()}
            points = {name: point(fitted[name].of(known[name]), domain) for name in SEEN}
            left = known["what_updates_leave"]
            points["verdict_alone"] = point(fitted["what_updates_leave"].of(left, only_median=True), domain)
            points |= {"verdict_itself": left.median, "user_median": float(np.median(past))}
            points["constant"] = point(fitted["all_windows"].base, domain)
            for name, value in points.items():
                own[name].append(mean_absolute_error(np.full(len(ratings), value), ratings))
        for name, values in own.items():
            errors[name].append(float(np.mean(values)))
    return {name: np.array(values) for name, values in errors.items()}


def fit(train: Sequence[Person], domain: Domain, seen: str, rounds: int) -> Usual:
    """The regression from what is known to the next window's ratings."""
    cases: list[tuple[Facts, Floats]] = [
        (SEEN[seen](person.windows[: k + 1], domain), soft_labels(ratings.tolist(), domain.scale).mean(axis=0))
        for person in train
        for k, _, ratings in moments(person, rounds)
    ]
    return fit_usual(cases, domain.scale)


def moments(person: Person, rounds: int) -> Iterator[tuple[int, Floats, Floats]]:
    """The round, all real ratings so far and those of the next window, where there are both."""
    real = [[item["rating"] for item in window] for window in person.windows]
    real = [np.array([r for r in window if r not in person.domain.unrated]) for window in real]
    for k in range(min(rounds + 1, len(real) - 1)):
        past = np.concatenate(real[: k + 1])
        if len(past) and len(real[k + 1]):
            yield k, past, real[k + 1]


def point(distribution: Floats, domain: Domain) -> float:
    """What is predicted: the median of the distribution."""
    return float(weighted_median(distribution[None], domain.scale.values)[0])


def compared(errors: Mapping[str, Mapping[str, Floats]], median: Mapping[str, Floats]) -> dict[str, dict[str, object]]:
    """Ratios of domain means to the user median's."""
    names = next(iter(errors.values()))
    found = {
        name: domain_ratio_interval([of[name] for of in errors.values()], [median[d] for d in errors], SEED)
        for name in names
    }
    return {
        name: {"value": round(one.mean, 4), "ci": [round(one.low, 4), round(one.high, 4)]}
        for name, one in found.items()
    }


if __name__ == "__main__":
    main()
