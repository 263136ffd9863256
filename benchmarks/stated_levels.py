"""Is the policy or the predictor the limit? Take the level that a persona states as the prediction, and compare.

    python benchmarks/stated_levels.py --data movielens_small --evaluated RUNS/movielens [--data FOLDER --evaluated …]

`rules_vs_user_median` needs no model. For all validation users it gives the error of three rules divided by that of the
user median, mean over rounds 1, 2 and so on: the median of the new window; the old level moved towards it by the rule
that lessons teach (`deeper.persona.describer.updated_facts`); the median of the first window for ever. All are rounded
to half a step.

`runs` are runs of `deeper evaluate --split validation`. In the same rounds it gives the error of `refine` if the level
that a persona states is the prediction, and the errors of the predictor and of the user median. It also gives the share
of personas that state the level that lessons teach, and how far they lie above it on average. A level is read from the
first sentence in one of the describer's forms of a verdict (`deeper.persona.describer.phrases`); personas without one
are left out and counted. Prints JSON.
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
from deeper.behaviour.users import Key, Windows, choose_users
from deeper.domains import Domain, Scale
from deeper.domains.level_words import LEVEL_WORDS
from deeper.domains.levels import rung_indices
from deeper.persona.describer import phrases
from deeper.persona.describer.updated_facts import updated_median
from deeper.persona.evidence.facts import Window, median_rating, rated, ratings_of
from deeper.storage import layout
from deeper.storage.provenance import provenance

RUNG = {word: rung for rung, words in enumerate(LEVEL_WORDS) for word in words}
LEVEL = f"(?:{'|'.join(map(re.escape, RUNG))})"
LEVELS = f"(?:{'|'.join(form.format(low=LEVEL, high=LEVEL) for form in (*phrases.BETWEEN, '{low}'))})"
STATED = re.compile(
    "|".join(form.format(item="[^.]+?", items="[^.]+?", verdict=rf"\b{LEVELS}\b") for form in phrases.VERDICT),
    re.IGNORECASE,
)
RULES = ("new_window", "moved", "first_window")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, action="append", help="as for deeper evaluate; repeatable")
    parser.add_argument("--domains", default="", help="domains to look at, separated by commas; all by default")
    parser.add_argument("--rounds", type=int, default=4, help="refinements")
    parser.add_argument("--evaluated", default=[], action="append", type=Path, help="run folder; repeatable")
    given = parser.parse_args()
    users: dict[Key, Sequence[Window]] = {}
    domains: dict[str, Domain] = {}
    for source in given.data:
        loaded = load_windows(source)
        domains |= loaded.domains
        users |= choose_users(loaded.windows, ["validation"], 10**6)
    chosen = given.domains.split(",") if given.domains else list(domains)
    users = {
        key: windows
        for key, windows in users.items()
        if key[0] in chosen and all(rated(window, domains[key[0]]) for window in windows)
    }
    result = {
        "benchmark": "stated_levels",
        **provenance(),
        "rules_vs_user_median": {name: rules(users, domains[name], given.rounds) for name in chosen},
        "runs": [stated(run, users, domains) for run in given.evaluated],
    }
    print(json.dumps(result, indent=1))


def rules(users: Windows, domain: Domain, rounds: int) -> dict[str, Any]:
    """Return the error of each rule divided by the user median's."""
    errors: dict[str, list[float]] = defaultdict(list)
    own = [windows for key, windows in users.items() if key[0] == domain.id]
    for windows in own:
        levels: dict[str, float] = dict.fromkeys(RULES, median_rating(windows[:1], domain))
        for k in range(1, min(rounds + 1, len(windows) - 1)):
            levels["new_window"] = median_rating([windows[k]], domain)
            levels["moved"] = updated_median(levels["moved"], levels["new_window"], k + 1, domain.scale)
            levels["user_median"] = float(np.median(sum((_real(window, domain) for window in windows[: k + 1]), [])))
            for rule, level in levels.items():
                errors[rule].append(_error(windows[k + 1], level, domain))
    user_median = np.mean(errors["user_median"])
    return {"users": len(own)} | {rule: round(float(np.mean(errors[rule]) / user_median), 3) for rule in RULES}


def stated(run: Path, users: Windows, domains: Mapping[str, Domain]) -> dict[str, Any]:
    """By domain, errors of the level that refined personas state, and how it differs from the taught level."""
    table = pq.read_table(run / layout.ERRORS_FILE).to_pylist()
    errors = {
        (row["domain"], row["user"], row["method"], row["round"]): row["mae"]
        for row in table
        if row["role"] == "future" and row["round"] > 0 and row["prediction"] != "history"
    }
    found: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    silent: dict[str, int] = defaultdict(int)
    personas = pq.read_table(run / layout.PERSONAS_FILE).to_pylist()
    texts = {row["id"]: row["text"] for row in personas}
    predicted = {
        (row["persona_id"], row["k"]): float(np.median(row["points"]))
        for row in pq.read_table(run / layout.PREDICTIONS_FILE).to_pylist()
        if not row["failure"]
    }
    for row in personas:
        key, k = (row["domain"], row["user"]), row["k"]
        if row["method"] == "refine" and row["stage"] == "final" and (*key, "refine", k) in errors and key in users:
            domain, windows = domains[key[0]], users[key]
            verdict, old = (stated_level(text, domain.scale) for text in (row["text"], texts[row["parent"]]))
            if verdict is None:
                silent[domain.id] += 1
                continue
            read = predicted.get((row["parent"], k))
            now = median_rating([windows[k]], domain)
            before = old if old is not None else now if read is None else read
            target = updated_median(before, now, k + 1, domain.scale, read)
            error = _error(windows[k + 1], verdict, domain)
            measured = (error, errors[*key, "refine", k], errors[*key, "user_median", k])
            found[domain.id].append((*measured, verdict == target, verdict - target))
    names = ("verdict", "predictor", "user_median", "as_taught", "above_taught")
    return {
        domain: {
            "personas": len(rows),
            "without_verdict": silent[domain],
            **{n: round(float(v), 3) for n, v in zip(names, np.mean(rows, 0), strict=True)},
        }
        for domain, rows in found.items()
    }


def stated_level(persona: str, scale: Scale) -> float | None:
    """Return the rating that the first verdict of a persona means; None if there is none."""
    sentence = STATED.search(persona)
    if sentence is None:
        return None
    # What an item is called may be a level word: only the words at the end of the form count.
    levels = re.findall(rf"\b{LEVELS}$", sentence[0].lower())[0]
    rungs = rung_indices(scale)
    at = np.mean([RUNG[word] for word in re.findall(LEVEL, levels)])
    return float(np.interp(at, rungs, np.linspace(scale.minimum, scale.maximum, len(rungs))))


def _real(window: Window, domain: Domain) -> list[float]:
    return ratings_of(rated(window, domain)).tolist()


def _error(window: Window, verdict: float, domain: Domain) -> float:
    return float(np.abs(np.array(_real(window, domain)) - verdict).mean())


if __name__ == "__main__":
    main()
