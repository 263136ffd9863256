"""Check the targets of the small model: `docs/results/small.json`, the results of a final evaluation with `targets`.

    python benchmarks/small.py RUNS/results --untuned RUNS/untuned --language RUNS/language.json \
        --ablation RUNS/ablation.json --unseen RUNS/unseen.json --demo docs/results/demo.json \
        > docs/results/small.json

RUNS/results is a run of `deeper evaluate --prediction history` with trained adapters on eval users. RUNS/untuned is the
same without adapters. Targets are checked in the last round; domains with shorter histories have none. Intervals are
95 % t intervals over users. Each target says whether its value or its interval must meet
it. A target "reported" holds if all of its figures are there.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from deeper.evaluation.methods import HISTORY_ONLY, UPDATERS
from deeper.evaluation.results_schema import read_results
from deeper.learning.export.hub_cards import without_places
from deeper.measure.intervals import Interval
from deeper.storage import layout
from paired import Errors, Key, Row, difference, errors_of, mean_of_rounds, ratio, with_interval

SEED = 1
MOVIELENS = ("movielens_small", "movielens_20m")
MEDIAN_GAIN = 0.135
"""Gain of the running median over the first window's median, as measured when the targets were set."""
CONVERGED_SHARE = 0.9
"""Share of the last round's gain at which refinement counts as converged."""
SHOWN_PERSONAS = 20
DEMO_SECONDS = 12 * 60


def main() -> None:
    """Check the targets, and print the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="run folder of the final evaluation")
    parser.add_argument("--untuned", required=True, type=Path, help="run folder of the same without adapters")
    parser.add_argument("--language", required=True, type=Path, help="output of benchmarks/language.py")
    parser.add_argument("--ablation", required=True, type=Path, help="output of benchmarks/ablation.py")
    parser.add_argument("--unseen", required=True, type=Path, help="output of benchmarks/unseen.py")
    parser.add_argument("--demo", required=True, type=Path, help="results.json of deeper demo")
    given = parser.parse_args()
    results, untuned = (read_results(path / layout.RESULTS_FILE).as_json() for path in (given.results, given.untuned))
    language, ablation = read_json(given.language), read_json(given.ablation)
    unseen, demo = read_json(given.unseen), read_json(given.demo)
    if not unseen["proves"]:
        raise SystemExit(f"{given.unseen} does not prove that eval users are unseen, so no target is checked")
    errors, combined = errors_of(given.results, "persona"), errors_of(given.results, "history")
    last = max(t for method, t in errors if method == "refine")
    domains = convergence(errors, last)
    found = {
        **results,
        "targets": [
            *against_median(errors, last),
            *against_updaters(errors, last),
            *over_frozen(errors, last),
            reductions(results["reduction"]),
            *as_language(language),
            *with_history(combined, last),
            parts(ablation),
            converged(domains, results["users"]),
            {**row("personas that name a title or a rating, in per cent", None, "≤ 1"), **leaks(given.results)},
            texts(results["text"]["refine"]),
            {**row("seconds of the demo's stages", None, f"≤ {DEMO_SECONDS}"), **seconds(demo)},
        ],
        "user_median_gain": with_interval(gain(errors["user_median", last], first_median(given.results, last))),
        "untuned": {name: untuned[name] for name in ("errors", "reduction", "leaks", "commit")},
        "language": language,
        "unseen": {name: unseen[name] for name in ("overlap", "eval_windows", "artefacts")},
        "convergence": domains,
        "personas": drawn(given.results),
    }
    print(json.dumps(without_places(found), indent=1, ensure_ascii=False, allow_nan=False))


def against_median(errors: Errors, last: int) -> list[Row]:
    """`refine` divided by the user median in the last round: all domains, and the two of MovieLens."""
    refine, median = errors["refine", last], errors["user_median", last]
    movies = {key: value for key, value in refine.items() if key[0] in MOVIELENS}
    everywhere, there = ratio(refine, median), ratio(movies, median)
    is_lower = there.mean <= 0.97 and there.high < 1
    return [
        row(f"refine / user median, round {last}", everywhere, "≤ 1.00", everywhere.mean <= 1),
        row(f"the same in MovieLens, round {last}", there, "≤ .97, interval below 1", is_lower),
    ]


def against_updaters(errors: Errors, last: int) -> list[Row]:
    """`refine` minus each other updater, and minus the first persona, in the last round."""
    others = [name for name in (*UPDATERS, "frozen") if name != "refine" and (name, last) in errors]
    found = {name: difference(errors["refine", last], errors[name, last]) for name in others}
    return [row(f"refine − {name}, round {last}", one, "interval below 0", one.high < 0) for name, one in found.items()]


def over_frozen(errors: Errors, last: int) -> list[Row]:
    """How much lower the error of `refine` is than that of the first persona, as a share, by round."""
    gains = [gain(errors["refine", t], errors["frozen", t]) for t in range(1, last + 1)]
    grows = all(later.mean > earlier.mean for earlier, later in zip(gains, gains[1:], strict=False))
    by_round = [with_interval(one) for one in gains]
    return [
        {**row("gain over frozen, by round", None, "grows", grows),
         **{name: [one[name] for one in by_round] for name in ("value", "ci")}},
        row(f"gain over frozen, round {last}", gains[-1], f"≥ {MEDIAN_GAIN}", gains[-1].mean >= MEDIAN_GAIN),
    ]  # fmt: skip


def gain(mine: Mapping[Key, float], theirs: Mapping[Key, float]) -> Interval:
    """Return 1 minus the ratio of my error to theirs."""
    found = ratio(mine, theirs)
    return Interval(1 - found.mean, 1 - found.high, 1 - found.low)


def first_median(run: Path, last: int) -> dict[Key, float]:
    """Errors of the median of the user's first window, in the window that the last round predicts."""
    domains = read_json(run / layout.MANIFEST_FILE)["domains"]
    rated: dict[Key, dict[int, list[float]]] = {}
    for window in pq.read_table(run / layout.WINDOWS_FILE).to_pylist():
        ratings = [i["rating"] for i in window["items"] if i["rating"] not in domains[window["domain"]]["unrated"]]
        rated.setdefault((window["domain"], window["user"]), {})[window["k"]] = ratings
    return {
        key: float(np.abs(np.array(own[last + 1]) - np.median(own[0])).mean())
        for key, own in rated.items()
        if own[0] and own.get(last + 1)
    }


def reductions(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Row:
    """Reductions of `refine` in per cent, across windows and on the same window; each updater must have both."""
    kinds = [found[kind] for kind in ("across_windows", "same_window")]
    updaters = [name for name in UPDATERS if any(name in kind for kind in kinds)]
    holds = all("mean" in kind.get(name, {}) for kind in kinds for name in updaters)
    values = [round(kind["refine"]["mean"], 1) for kind in kinds if "mean" in kind.get("refine", {})]
    name = "reduction of refine, across windows and on the same window, in per cent"
    return {**row(name, None, "both reported", holds), "value": values}


def parts(ablation: Mapping[str, Any]) -> Row:
    """The number of runs in the ablation; each must have its intervals."""
    runs = ablation["runs"]
    holds = all(one[name]["ci"] for one in runs for name in ("ratio", "difference"))
    return {**row("runs of the ablation", None, "reported with intervals", holds), "value": len(runs)}


def converged(domains: Sequence[Row], users: Mapping[str, int]) -> Row:
    """The number of domains in which refinement ends below the first persona; all domains must be there."""
    value = sum(one["rounds_to_most"] is not None for one in domains)
    holds = {one["domain"] for one in domains} == users.keys()
    name = f"domains (of {len(domains)}) where refine beats frozen in the last round"
    return {**row(name, None, "reported", holds), "value": value}


def texts(found: Mapping[str, float | None]) -> Row:
    """Repetition within a persona, words kept from the previous one, and distance between users' personas."""
    names = ("redundancy", "retention", "distinctness")
    values = [round(found[name], 4) for name in names if found.get(name) is not None]
    holds = len(values) == len(names)
    return {**row(f"{', '.join(names)} of refine", None, "reported", holds), "value": values}


def as_language(language: Mapping[str, Any]) -> list[Row]:
    """What personas say beside their level, and whether another predictor understands them."""
    level, foreign, second = language["level_only"], language["paraphrase"], language.get("second_predictor")
    other = row("second predictor / first", None, "within 2 %")
    rows = [
        {**row("level sentence only − whole persona", None, "interval above 0", level["difference"]["ci"][0] > 0),
         **level["difference"]},
        {**row("foreign paraphrase / whole persona", None, "≤ 1.03", foreign["ratio"]["value"] <= 1.03),
         **foreign["ratio"]},
    ]  # fmt: skip
    if second:
        other |= {**second["ratio"], "holds": abs(second["ratio"]["value"] - 1) <= 0.02}
    return [*rows, other]


def with_history(errors: Errors, last: int) -> list[Row]:
    """`refine` with the user's ratings, minus the same ratings without a persona, and minus their median."""
    if ("refine", last) not in errors:
        return []
    at_last = {name: users for (name, t), users in errors.items() if t == last}
    found = {
        f"refine with history − {name}, {rounds}": difference(of["refine"], of[other])
        for rounds, of in ((f"round {last}", at_last), ("all rounds", mean_of_rounds(errors)))
        for other, name in ((HISTORY_ONLY, HISTORY_ONLY), ("user_median", "user median"))
    }
    return [row(name, one, "interval below 0", one.high < 0) for name, one in found.items()]


def leaks(run: Path) -> Row:
    """The share of the written personas of `refine` that name a title or a rating."""
    written = personas_of(run)
    value = 100 * float(np.mean([bool(one["leaks"]) for one in written]))
    return {"value": round(value, 3), "holds": value <= 1, "personas": len(written)}


def seconds(demo: Mapping[str, Any]) -> Row:
    """Seconds of the demo's stages."""
    value = demo["cost"]["total"]["seconds"]
    return {"value": value, "holds": value <= DEMO_SECONDS}


def convergence(errors: Errors, last: int) -> list[Row]:
    """By domain, errors by round, and the first round with `CONVERGED_SHARE` of the last gain over `frozen`."""
    rows: list[Row] = []
    for domain in sorted({key[0] for key in errors["refine", 0]}):
        means = {
            name: [
                float(np.mean([value for key, value in errors[name, t].items() if key[0] == domain]))
                for t in range(last + 1)
                if any(key[0] == domain for key in errors[name, t])
            ]
            for name in ("refine", "frozen", "user_median")
        }
        gains = [before - after for before, after in zip(means["frozen"], means["refine"], strict=True)]
        near = (
            next((t for t, gain in enumerate(gains) if gain >= CONVERGED_SHARE * gains[-1]), None)
            if gains[-1] > 0
            else None
        )
        rows.append(
            {"domain": domain, "rounds_to_most": near}
            | {name: [round(value, 4) for value in values] for name, values in means.items()}
        )
    return rows


def drawn(run: Path) -> list[Row]:
    """Return random personas of `refine`, without those that leak."""
    written = sorted((one for one in personas_of(run) if not one["leaks"]), key=lambda one: one["id"])
    chosen = np.random.default_rng(SEED).choice(len(written), min(SHOWN_PERSONAS, len(written)), replace=False)
    return [{"domain": written[i]["domain"], "round": written[i]["k"], "text": written[i]["text"]} for i in chosen]


def personas_of(run: Path) -> list[Row]:
    """Return the first personas and those of `refine`, without failures."""
    rows = pq.read_table(run / layout.PERSONAS_FILE).to_pylist()
    kept = ("initialise", "refine")
    return [one for one in rows if one["method"] in kept and one["stage"] == "final" and not one["failure"]]


def row(name: str, found: Interval | None, target: str, holds: bool = False) -> Row:
    """A line of the table of targets."""
    return {"name": name, "target": target, "holds": bool(holds), **(with_interval(found) if found else {})}


def read_json(path: Path) -> Row:
    """A JSON object."""
    return json.loads(path.read_text("utf-8"))


if __name__ == "__main__":
    main()
