"""Is the policy or the predictor the limit? Take the level that a persona states as the prediction, and compare.

    python benchmarks/stated_levels.py --data movielens_small --evaluated RUNS/movielens [--data FOLDER --evaluated …]

`rules_vs_user_median` needs no model. For all validation users it gives the error of three rules divided by that of the
user median, mean over rounds 1, 2 and so on: the median of the new window; the old level moved towards it by the rule
that lessons teach (`deeper.persona.describer.updated_facts`); the median of the first window for ever.

`runs` are runs of `deeper evaluate --split validation`. In the same rounds it gives the error of `refine` if the first
level that a persona states is the prediction, and the errors of the predictor and of the user median. It also gives the
share of personas that state the level that lessons teach, and how far they lie above it on average. Prints JSON.
"""

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from deeper.behaviour.load import load_windows
from deeper.behaviour.users import Key, choose_users
from deeper.domains import Domain, Scale
from deeper.domains.level_words import LEVEL_WORDS
from deeper.domains.levels import half_step, rung_indices
from deeper.persona.describer.updated_facts import updated_median
from deeper.storage import layout
from deeper.storage.provenance import provenance

RUNG = {word: rung for rung, words in enumerate(LEVEL_WORDS) for word in words}
RULES = ("new_window", "moved", "first_window")
Ratings = Mapping[Key, Sequence[Sequence[float]]]
"""The real ratings of each window, by user."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, action="append", help="as for deeper evaluate; repeatable")
    parser.add_argument("--domains", default="", help="domains to look at, separated by commas; all by default")
    parser.add_argument("--rounds", type=int, default=4, help="refinements")
    parser.add_argument("--evaluated", default=[], action="append", type=Path, help="run folder; repeatable")
    given = parser.parse_args()
    ratings: dict[Key, list[list[float]]] = {}
    domains: dict[str, Domain] = {}
    for source in given.data:
        loaded = load_windows(source)
        domains |= loaded.domains
        for key, windows in choose_users(loaded.windows, ["validation"], 10**6).items():
            real = [[item["rating"] for item in window] for window in windows]
            ratings[key] = [[r for r in window if r not in domains[key[0]].unrated] for window in real]
    chosen = given.domains.split(",") if given.domains else list(domains)
    ratings = {key: windows for key, windows in ratings.items() if key[0] in chosen and all(windows)}
    result = {
        "benchmark": "stated_levels",
        **provenance(),
        "rules_vs_user_median": {name: rules(ratings, domains[name], given.rounds) for name in chosen},
        "runs": [stated(run, ratings, domains) for run in given.evaluated],
    }
    print(json.dumps(result, indent=1))


def rules(ratings: Ratings, domain: Domain, rounds: int) -> dict[str, Any]:
    """Return the error of each rule divided by the user median's."""
    errors: dict[str, list[float]] = defaultdict(list)
    users = [windows for key, windows in ratings.items() if key[0] == domain.id]
    for windows in users:
        levels = dict.fromkeys(RULES, float(np.median(windows[0])))
        for k in range(1, min(rounds + 1, len(windows) - 1)):
            middle = float(np.median(windows[k]))
            levels["new_window"] = half_step(middle, domain.scale)
            levels["moved"] = updated_median(levels["moved"], middle, k + 1, domain.scale)
            levels["user_median"] = float(np.median(sum(windows[: k + 1], [])))
            for rule, level in levels.items():
                errors[rule].append(_error(windows[k + 1], level))
    user_median = np.mean(errors["user_median"])
    return {"users": len(users)} | {rule: round(float(np.mean(errors[rule]) / user_median), 3) for rule in RULES}


def stated(run: Path, ratings: Ratings, domains: Mapping[str, Domain]) -> dict[str, Any]:
    """By domain, errors of the level that refined personas state, and how it differs from the taught level."""
    table = pq.read_table(run / layout.ERRORS_FILE).to_pylist()
    errors = {
        (row["domain"], row["user"], row["method"], row["round"]): row["mae"]
        for row in table
        if row["role"] == "future" and row["round"] > 0
    }
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    personas = pq.read_table(run / layout.PERSONAS_FILE).to_pylist()
    texts = {row["id"]: row["text"] for row in personas}
    predicted = {
        (row["persona_id"], row["k"]): float(np.median(row["points"]))
        for row in pq.read_table(run / layout.PREDICTIONS_FILE).to_pylist()
        if not row["failure"]
    }
    for row in personas:
        key, place = (row["domain"], row["user"]), (row["domain"], row["user"], "refine", row["k"])
        if row["method"] == "refine" and row["stage"] == "final" and place in errors and key in ratings:
            scale, now = domains[key[0]].scale, float(np.median(ratings[key][row["k"]]))
            verdict, old = (stated_level(text, scale) for text in (row["text"], texts[row["parent"]]))
            if verdict is not None:
                read = predicted.get((row["parent"], row["k"]))
                before = old if old is not None else now if read is None else read
                taught = updated_median(before, now, row["k"] + 1, scale, read)
                median = errors[*key, "user_median", row["k"]]
                error = _error(ratings[key][row["k"] + 1], verdict)
                found[key[0]].append((error, errors[place], median, verdict == taught, verdict - taught))
    names = ("verdict", "predictor", "user_median", "as_taught", "above_taught")
    return {
        domain: {"personas": len(rows), **{n: round(float(v), 3) for n, v in zip(names, np.mean(rows, 0), strict=True)}}
        for domain, rows in found.items()
    }


def stated_level(persona: str, scale: Scale) -> float | None:
    """Return the rating that the first sentence with a level word means; None if there is none."""
    for sentence in persona.split("."):
        if rungs_named := [RUNG[word] for word in re.findall(r"[\w-]+", sentence.lower()) if word in RUNG]:
            rungs = rung_indices(scale)
            return float(np.interp(np.mean(rungs_named), rungs, scale.values[: len(rungs)]))
    return None


def _error(actual: Sequence[float], verdict: float) -> float:
    return float(np.abs(np.array(actual) - verdict).mean())


if __name__ == "__main__":
    main()
