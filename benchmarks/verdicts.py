"""Who binds, writer or reader? The verdicts that personas say, read as numbers, and rules that say one without a model.

    python benchmarks/verdicts.py --data movielens_small --evaluated RUNS/movielens [--data FOLDER --evaluated …]

Rules, on all validation users of the data (`--domains` chooses): the middle of the new window alone; halfway between
the old verdict and the middle of the new window, to half a step; the first window's for ever. Each is the ratio of its
error to the user median's, mean over rounds 1, 2, … For runs of `deeper evaluate --split validation`: the error of
`refine` in these rounds if its first verdict is taken for the prediction, beside the predictor's and the user median's;
how many of these verdicts are what lessons teach (`deeper.learning.describer.updated_facts`), and how far they are
above it on average. JSON to standard output.
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

from deeper.behaviour.levels import half_step, halfway, rung_indices
from deeper.behaviour.load import load_windows
from deeper.behaviour.users import Key, choose_users
from deeper.domains import Domain, Scale
from deeper.learning.describer.level_words import LEVEL_WORDS
from deeper.learning.describer.updated_facts import updated_median
from deeper.storage.provenance import provenance

RUNG = {word: rung for rung, words in enumerate(LEVEL_WORDS) for word in words}
RULES = ("new_window", "halfway", "first_window")
Ratings = Mapping[Key, Sequence[Sequence[float]]]
"""The real ratings of each window that has any."""


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
        "benchmark": "verdicts",
        **provenance(),
        "rules_vs_user_median": {name: rules(ratings, domains[name], given.rounds) for name in chosen},
        "runs": [spoken(run, ratings, domains) for run in given.evaluated],
    }
    print(json.dumps(result, indent=1))


def rules(ratings: Ratings, domain: Domain, rounds: int) -> dict[str, Any]:
    """Error of each rule by the user median's."""
    errors: dict[str, list[float]] = defaultdict(list)
    people = [windows for key, windows in ratings.items() if key[0] == domain.id]
    for windows in people:
        said = dict.fromkeys(RULES, float(np.median(windows[0])))
        for k in range(1, min(rounds + 1, len(windows) - 1)):
            middle = float(np.median(windows[k]))
            said["new_window"] = half_step(middle, domain.scale)
            said["halfway"] = halfway(said["halfway"], middle, domain.scale)
            said["user_median"] = float(np.median(sum(windows[: k + 1], [])))
            for rule, verdict in said.items():
                errors[rule].append(_error(windows[k + 1], verdict))
    usual = np.mean(errors["user_median"])
    return {"users": len(people)} | {rule: round(float(np.mean(errors[rule]) / usual), 3) for rule in RULES}


def spoken(run: Path, ratings: Ratings, domains: Mapping[str, Domain]) -> dict[str, Any]:
    """By domain, the error of what refined personas say and of its readers, and how it differs from what is taught."""
    table = pq.read_table(run / "errors.parquet").to_pylist()
    judged = {
        (row["domain"], row["user"], row["method"], row["round"]): row["mae"]
        for row in table
        if row["role"] == "future" and row["round"] > 0
    }
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    personas = pq.read_table(run / "personas.parquet").to_pylist()
    texts = {row["id"]: row["text"] for row in personas}
    predicted = {
        (row["persona_id"], row["k"]): float(np.median(row["points"]))
        for row in pq.read_table(run / "predictions.parquet").to_pylist()
        if not row["failure"]
    }
    for row in personas:
        key, place = (row["domain"], row["user"]), (row["domain"], row["user"], "refine", row["k"])
        if row["method"] == "refine" and row["stage"] == "final" and place in judged and key in ratings:
            scale, now = domains[key[0]].scale, float(np.median(ratings[key][row["k"]]))
            verdict, old = (said_by(text, scale) for text in (row["text"], texts[row["parent"]]))
            if verdict is not None:
                read = predicted.get((row["parent"], row["k"]))
                before = old if old is not None else now if read is None else read
                taught = updated_median(before, now, scale, read)
                median = judged[*key, "user_median", row["k"]]
                error = _error(ratings[key][row["k"] + 1], verdict)
                found[key[0]].append((error, judged[place], median, verdict == taught, verdict - taught))
    names = ("verdict", "predictor", "user_median", "as_taught", "above_taught")
    return {
        domain: {"personas": len(rows), **{n: round(float(v), 3) for n, v in zip(names, np.mean(rows, 0), strict=True)}}
        for domain, rows in found.items()
    }


def said_by(persona: str, scale: Scale) -> float | None:
    """The rating that the first sentence with a verdict means; None if there is none."""
    for sentence in persona.split("."):
        if said := [RUNG[word] for word in re.findall(r"[\w-]+", sentence.lower()) if word in RUNG]:
            rungs = rung_indices(scale)
            return float(np.interp(np.mean(said), rungs, scale.values[: len(rungs)]))
    return None


def _error(actual: Sequence[float], verdict: float) -> float:
    return float(np.abs(np.array(actual) - verdict).mean())


if __name__ == "__main__":
    main()
