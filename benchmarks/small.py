"""The trained small model judged: `docs/results/small.json`, the results of a final evaluation with its `targets`.

    python benchmarks/small.py RUNS/results --untuned RUNS/untuned --language RUNS/language.json \
        --unseen RUNS/unseen.json --demo docs/results/demo.json \
        > docs/results/small.json

RUNS/results is a run of `deeper evaluate --prediction history` with trained adapters on eval users, RUNS/untuned the
same without adapters. The last round is judged: domains whose histories are shorter have none. Intervals are 95 %
bootstraps over users, resampled within their domain; each target says whether its value or its interval has to hold.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from deeper.evaluation.schema import HISTORY_ONLY, UPDATERS
from deeper.learning.export_hub import without_places
from deeper.measure.bootstrap import Interval
from paired import Errors, Row, difference, errors_of, ratio, said

SEED = 1
MOVIELENS = ("movielens_small", "movielens_20m")
MEDIAN_GAIN = 0.135
"""What the running median gains over the first window's median, as measured when the targets were set."""
NEAR = 0.9
"""Share of the last round's gain at which refinement counts as converged."""
SHOWN = 20
DEMO_SECONDS = 12 * 60


def main() -> None:
    """Judge, and print the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="run folder of the final evaluation")
    parser.add_argument("--untuned", required=True, type=Path, help="run folder of the same without adapters")
    parser.add_argument("--language", required=True, type=Path, help="output of benchmarks/language.py")
    parser.add_argument("--unseen", required=True, type=Path, help="output of benchmarks/unseen.py")
    parser.add_argument("--demo", required=True, type=Path, help="results.json of deeper demo")
    given = parser.parse_args()
    results, untuned = (read_json(path / "results.json") for path in (given.results, given.untuned))
    language, unseen, demo = (read_json(path) for path in (given.language, given.unseen, given.demo))
    if unseen["overlap"]:
        raise SystemExit("an eval user was learnt from or chosen on: nothing is judged")
    errors, combined = errors_of(given.results, "persona"), errors_of(given.results, "history")
    last = max(t for method, t in errors if method == "refine")
    found = {
        **results,
        "targets": [
            *against_median(errors, last),
            *against_updaters(errors, last),
            *over_frozen(errors, last),
            *as_language(language),
            *with_history(combined, errors, last),
            {**row("personas that name a title or a rating, in per cent", None, "≤ 1"), **leaks(given.results)},
            {**row("seconds of the demo's stages", None, f"≤ {DEMO_SECONDS}"), **seconds(demo)},
        ],
        "untuned": {name: untuned[name] for name in ("errors", "reduction", "leaks", "commit")},
        "language": language,
        "unseen": {name: unseen[name] for name in ("overlap", "eval_windows", "artefacts")},
        "convergence": convergence(errors, last),
        "personas": drawn(given.results),
    }
    print(json.dumps(without_places(found), indent=1, ensure_ascii=False, allow_nan=False))


def against_median(errors: Errors, last: int) -> list[Row]:
    """`refine` by the user median in the last round: all domains, and the two of MovieLens."""
    refine, median = errors["refine", last], errors["user_median", last]
    movies = {key: value for key, value in refine.items() if key[0] in MOVIELENS}
    everywhere, there = ratio(refine, median), ratio(movies, median)
    is_lower = there.mean <= 0.97 and there.high < 1
    return [
        row(f"refine / user median, round {last}", everywhere, "≤ 1.00", everywhere.mean <= 1),
        row(f"the same in MovieLens, round {last}", there, "≤ .97, interval below 1", is_lower),
    ]


def against_updaters(errors: Errors, last: int) -> list[Row]:
    """`refine` less each other updater, and less the first persona, in the last round."""
    others = [name for name in (*UPDATERS, "frozen") if name != "refine" and (name, last) in errors]
    found = {name: difference(errors["refine", last], errors[name, last]) for name in others}
    return [row(f"refine − {name}, round {last}", one, "interval below 0", one.high < 0) for name, one in found.items()]


def over_frozen(errors: Errors, last: int) -> list[Row]:
    """The share of the error of the first persona that refining takes away, by round."""
    gains = [1 - ratio(errors["refine", t], errors["frozen", t]).mean for t in range(1, last + 1)]
    end = ratio(errors["refine", last], errors["frozen", last])
    least = Interval(1 - end.mean, 1 - end.high, 1 - end.low)
    grows = all(later > earlier for earlier, later in zip(gains, gains[1:], strict=False))
    return [
        {**row("gain over frozen, by round", None, "grows", grows), "value": [round(gain, 4) for gain in gains]},
        row(f"gain over frozen, round {last}", least, f"≥ {MEDIAN_GAIN}", least.mean >= MEDIAN_GAIN),
    ]


def as_language(language: Mapping[str, Any]) -> list[Row]:
    """What personas hold beside their level, and whether others can read them."""
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


def with_history(combined: Errors, errors: Errors, last: int) -> list[Row]:
    """`refine` with the user's own ratings, against the same ratings without a persona, and against their median."""
    if ("refine", last) not in combined:
        return []
    mine = combined["refine", last]
    others = {HISTORY_ONLY: combined[HISTORY_ONLY, last], "user median": errors["user_median", last]}
    found = {name: difference(mine, theirs) for name, theirs in others.items()}
    return [
        row(f"refine with history − {name}, round {last}", one, "interval below 0", one.high < 0)
        for name, one in found.items()
    ]


def leaks(run: Path) -> Row:
    """The share of the written personas of `refine` that name a title or a rating."""
    written = personas_of(run)
    value = 100 * float(np.mean([bool(one["leaks"]) for one in written]))
    return {"value": round(value, 3), "holds": value <= 1, "personas": len(written)}


def seconds(demo: Mapping[str, Any]) -> Row:
    """How long the demo takes."""
    value = demo["cost"]["total"]["seconds"]
    return {"value": value, "holds": value <= DEMO_SECONDS}


def convergence(errors: Errors, last: int) -> list[Row]:
    """By domain, the error of `refine` and of the first persona by round, and the round of most of the gain."""
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
        near = next((t for t, gain in enumerate(gains) if gain >= NEAR * gains[-1]), None) if gains[-1] > 0 else None
        rows.append(
            {"domain": domain, "rounds_to_most": near}
            | {name: [round(value, 4) for value in values] for name, values in means.items()}
        )
    return rows


def drawn(run: Path) -> list[Row]:
    """Some personas at random."""
    written = sorted((one for one in personas_of(run) if not one["leaks"]), key=lambda one: one["id"])
    chosen = np.random.default_rng(SEED).choice(len(written), min(SHOWN, len(written)), replace=False)
    return [{"domain": written[i]["domain"], "round": written[i]["k"], "text": written[i]["text"]} for i in chosen]


def personas_of(run: Path) -> list[Row]:
    """The written personas of `refine`, with the first ones."""
    rows = pq.read_table(run / "personas.parquet").to_pylist()
    kept = ("initialise", "refine")
    return [one for one in rows if one["method"] in kept and one["stage"] == "final" and not one["failure"]]


def row(name: str, found: Interval | None, target: str, holds: bool = False) -> Row:
    """A line of the table of targets."""
    return {"name": name, "target": target, "holds": bool(holds), **(said(found) if found else {})}


def read_json(path: Path) -> Row:
    """A JSON object."""
    return json.loads(path.read_text("utf-8"))


if __name__ == "__main__":
    main()
