"""Print the error against the number of directions searched at test time, and the tokens that the search takes.

    for n in 0 1 3 7 15; do
        deeper evaluate --methods refine,user_median --search-n $n --out runs/search-$n
    done
    python benchmarks/search_curve.py runs/search-*

Each line is one updater of one run: its error in the last round, on the held-out next window, from the persona alone.
Differences are to the run with the fewest directions, paired by user, with 95 % intervals over users. Tokens
are those of writing the personas of round 1 and later and scoring their candidates. They count all updaters of a run
together: to see those of one updater, give each run only one.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deeper.evaluation.methods import UPDATERS
from deeper.evaluation.results_schema import read_results
from deeper.measure.intervals import domain_mean_interval
from deeper.storage import layout

STAGES = ("update-", "candidates-", "judge-")
HEADS = ("updater", "N", "MAE", "difference", "interval", "old kept", "prompt tokens", "generated tokens")

Errors = dict[str, dict[str, float]]
"""MAE by user, by domain."""


def curve(folders: list[Path]) -> list[tuple[str, ...]]:
    """Return the lines of the curve, sorted by updater and number of directions.

    Args:
        folders: Finished run folders, equal in all but `search_n`.
    """
    runs = sorted((_read(folder) for folder in folders), key=lambda run: run["search_n"])
    lines: list[tuple[str, ...]] = []
    for method in (name for name in UPDATERS if any(name in run["errors"] for run in runs)):
        own = [run for run in runs if method in run["errors"]]
        first: Errors = own[0]["errors"][method]
        for run in own:
            errors: Errors = run["errors"][method]
            mae = np.mean([np.mean(list(users.values())) for users in errors.values()])
            shared = [
                np.array([users[user] - first[domain][user] for user in users if user in first[domain]])
                for domain, users in errors.items()
                if domain in first
            ]
            change = domain_mean_interval(shared)
            interval = f"{change.low:+.3f}..{change.high:+.3f}" if run is not own[0] else ""
            kept = "" if run["kept"].get(method) is None else f"{run['kept'][method]:.0%}"
            tokens = (f"{run[name]:,}" for name in ("tokens_prompt", "tokens_generated"))
            lines.append((method, str(run["search_n"]), f"{mae:.3f}", f"{change.mean:+.3f}", interval, kept, *tokens))
    return lines


def _read(folder: Path) -> dict[str, Any]:
    """Read what the curve needs of a run."""
    settings = read_results(folder / layout.RESULTS_FILE).config
    table = pq.read_table(folder / layout.ERRORS_FILE)
    last = (pc.field("role") == "future") & (pc.field("prediction") == "persona")
    rows = table.filter(last & (pc.field("round") == settings["rounds"])).to_pylist()
    errors: dict[str, Errors] = {}
    for row in rows:
        errors.setdefault(row["method"], {}).setdefault(row["domain"], {})[row["user"]] = row["mae"]
    cost = [row for row in pq.read_table(folder / layout.COST_FILE).to_pylist() if row["stage"].startswith(STAGES)]
    tokens = {name: sum(row[name] for row in cost) for name in ("tokens_prompt", "tokens_generated")}
    return {"search_n": settings["search_n"], "errors": errors, "kept": _kept(folder / layout.SEARCH_FILE), **tokens}


def _kept(path: Path) -> dict[str, float]:
    """Return the share of updates that kept the old persona, by updater; empty without a search."""
    chosen: dict[str, dict[tuple[str, ...], bool]] = {}
    for row in pq.read_table(path).to_pylist() if path.exists() else ():
        updates = chosen.setdefault(row["method"], {})
        key = (row["domain"], row["user"], str(row["k"]))
        updates[key] = updates.get(key, False) or row["chosen"]
    return {method: 1 - float(np.mean(list(updates.values()))) for method, updates in chosen.items()}


def main() -> None:
    """Print the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    lines = [HEADS, *curve(parser.parse_args().folders)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADS))]
    for line in lines:
        print(
            "  ".join(
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
        )


if __name__ == "__main__":
    main()
