"""Does bfloat16 change predictions, and what `refine` makes of them? The engine `embedded` in `fast` against `exact`.

    python benchmarks/precision.py --data movielens_small --data FOLDER --runs FOLDER --out docs/results/precision.json

Predictions: the same windows of validation users from the same personas, the describer's, with the knowledge of items
that the predictor learnt with. `refine`: `deeper evaluate` on validation users, once in each precision; these two runs
are kept in `--runs`, and continued. Needs a processor that multiplies bfloat16.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from deeper.behaviour.users import Key
from deeper.domains import Domain
from deeper.engine import Engine
from deeper.engine.adapter import load_adapter
from deeper.engine.openvino.engine import EmbeddedEngine
from deeper.engine.protocol import Precision
from deeper.measure.intervals import Interval, domain_mean_interval
from deeper.measure.metrics import crps, mean_absolute_error
from deeper.persona.predict import PREDICT_INPUT, predict
from deeper.persona.prompts.templates import load_prompts
from deeper.storage.atomic import write_atomically
from deeper.storage.provenance import provenance
from paired import by_domain, errors_of, mean_of_rounds, ratio
from predictor_and_policy import SEED, described_row, validation_users

PREDICTOR = Path(__file__).resolve().parents[1] / "src" / "deeper" / "adapters" / "small-predictor"
MOST_DIFFERENCE = 0.003
"""Largest difference of an error that is accepted, as a share of the error in `exact`."""
MOST_MEDIANS = 0.01
"""Largest share of predicted medians that may differ."""
MOST_REFINED = 0.015
"""Largest difference of the error of `refine` that is accepted, as a share of the error in `exact`."""


PRECISIONS: tuple[Precision, Precision] = ("exact", "fast")


def main() -> None:
    """Predict and refine twice, compare, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, action="append", help="as for deeper evaluate; repeatable")
    parser.add_argument("--users", type=int, default=100, help="validation users of a domain to predict")
    parser.add_argument("--refined", type=int, default=40, help="validation users of a domain to refine")
    parser.add_argument("--runs", required=True, type=Path, help="folder for the two runs of deeper evaluate")
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args()
    origin = provenance()
    differs = refined(given.data, given.refined, given.runs)
    people = validation_users(given.data, given.users, 0, load_adapter(PREDICTOR))
    rows = [
        described_row(key, key, k, people, "own") for key, own in people.evaluated.items() for k in range(len(own) - 1)
    ]
    table = pa.Table.from_pylist(rows, schema=PREDICT_INPUT)
    exact, fast = (predicted(table, EmbeddedEngine(None, PREDICTOR, name), people.domains) for name in PRECISIONS)
    found = compared(exact, fast, people.evaluated, people.domains) | differs
    write_atomically(given.out, (json.dumps({**origin, "seed": SEED, **found}, indent=1) + "\n").encode())
    print(json.dumps(found, indent=1))


def refined(data: Sequence[str], users: int, runs: Path) -> dict[str, Any]:
    """Return how the error of `refine` on held-out windows differs, the mean of two rounds."""
    errors: list[dict[Any, float]] = []
    for precision in PRECISIONS:
        what = ["--data", ",".join(data), "--split", "validation", "--users", str(users), "--calibration", "off"]
        how = ["--methods", "refine", "--rounds", "2", "--roles", "future", "--precision", precision]
        out = ["--seed", str(SEED), "--out", str(runs / precision)]
        subprocess.run([sys.executable, "-m", "deeper", "evaluate", *what, *how, *out], check=True)
        errors.append(mean_of_rounds(errors_of(runs / precision, "persona"))["refine"])
    shares = ratio(errors[1], errors[0])
    level = float(np.mean([values.mean() for values in by_domain(errors[0], errors[0])]))
    change = Interval(shares.mean - 1, shares.low - 1, shares.high - 1)
    return {"refined_users": len(errors[0]), "refine_difference": judged(level, change, MOST_REFINED)}


def predicted(table: pa.Table, engine: Engine, domains: Mapping[str, Domain]) -> list[dict[str, Any]]:
    """Predict all rows, sixteen at a time as a run does."""
    prompts, rows = load_prompts(), []
    for start in range(0, table.num_rows, 16):
        part = table.slice(start, 16)
        rows += predict(part, engine, prompts, domains, "distribution", SEED).to_pylist()
    return rows


def compared(
    exact: Sequence[Mapping[str, Any]],
    fast: Sequence[Mapping[str, Any]],
    windows: Mapping[Key, Any],
    domains: Mapping[str, Domain],
) -> dict[str, Any]:
    """Return the differences of errors, fast minus exact, and the share of medians that differ."""
    errors: dict[str, dict[Key, list[float]]] = {}
    differs: list[bool] = []
    for one, other in zip(exact, fast, strict=True):
        key, domain = (one["domain"], one["user"]), domains[one["domain"]]
        actual = np.array([item["rating"] for item in windows[key][one["k"]]])
        rated = domain.is_rated(actual)
        differs += (np.array(one["points"]) != np.array(other["points"]))[rated].tolist()
        for name, row in (("exact", one), ("fast", other)) if rated.any() else ():
            points, distribution = np.array(row["points"])[rated], np.array(row["distribution"])[rated]
            mae = mean_absolute_error(points, actual[rated])
            errors.setdefault(f"mae {name}", {}).setdefault(key, []).append(mae)
            score = float(crps(distribution, domain.scale.values, actual[rated]).mean())
            errors.setdefault(f"crps {name}", {}).setdefault(key, []).append(score)
    means = {name: {key: float(np.mean(values)) for key, values in found.items()} for name, found in errors.items()}
    report: dict[str, Any] = {
        "users": len(means["mae exact"]),
        "ratings": len(differs),
        "medians_that_differ": {"value": round(float(np.mean(differs)), 5), "wanted": MOST_MEDIANS},
    }
    report["medians_that_differ"]["holds"] = bool(np.mean(differs) <= MOST_MEDIANS)
    for measure in ("mae", "crps"):
        before, after = means[f"{measure} exact"], means[f"{measure} fast"]
        difference = {key: after[key] - before[key] for key in before}
        interval = domain_mean_interval(by_domain(before, difference))
        level = float(np.mean([values.mean() for values in by_domain(before, before)]))
        shares = Interval(interval.mean / level, interval.low / level, interval.high / level)
        report[f"{measure}_difference"] = judged(level, shares, MOST_DIFFERENCE)
    return report


def judged(level: float, shares: Interval, most: float) -> dict[str, Any]:
    """Return a difference as a share of the error in `exact`, and whether its interval lies within `most`."""
    return {
        "exact": round(level, 5),
        "share": round(shares.mean, 5),
        "ci": [round(shares.low, 5), round(shares.high, 5)],
        "wanted": most,
        "holds": max(abs(shares.low), abs(shares.high)) <= most,
    }


if __name__ == "__main__":
    main()
