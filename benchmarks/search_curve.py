"""Print the error against the number of directions searched at test time, and the tokens that the search takes.

    for n in 0 1 3 7 15; do
        deeper evaluate --methods refine,user_median --search-n $n --out runs/search-$n
    done
    python benchmarks/search_curve.py runs/search-*

Each line is one updater of one run: its error in the last round, on the held-out next window, from the persona alone.
Differences are to the run with the fewest directions, paired by user, with 95 % bootstrap intervals over users. Tokens
are those of writing the personas of round 1 and later and scoring their candidates. They count all updaters of a run
together: to see those of one updater, give each run only one.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deeper.evaluation.methods import updaters_in
from deeper.evaluation.runs.compare_runs import compare_runs
from deeper.evaluation.runs.load_run import Run, load_run

STAGES = ("update-", "candidates-", "judge-")
HEADS = ("updater", "N", "MAE", "difference", "interval", "old kept", "prompt tokens", "generated tokens")


def curve(folders: Sequence[Path]) -> list[tuple[str, ...]]:
    """Return the lines of the curve, sorted by updater and number of directions.

    Args:
        folders: Finished run folders, equal in all but `search_n`.
    """
    runs = sorted(map(load_run, folders), key=lambda run: run.settings["search_n"])
    compared = compare_runs(runs, str(runs[0].folder))
    run_of = {one.name: next(run for run in runs if str(run.folder) in one.runs) for one in compared.settings}
    shown = [entry for entry in compared.shown() if entry.prediction == "persona"]
    lines: list[tuple[str, ...]] = []
    for method in updaters_in({entry.method for entry in shown}):
        for entry in (one for one in shown if one.method == method):
            run, change = run_of[entry.setting], entry.difference
            value, (low, high) = (change.value, change.ci) if change else (0.0, (None, None))
            interval = "" if low is None or high is None else f"{low:+.3f}..{high:+.3f}"
            told = (str(run.settings["search_n"]), f"{entry.mae:.3f}", f"{value:+.3f}", interval)
            lines.append((method, *told, _kept(run, method), *_tokens(run)))
    return lines


def _tokens(run: Run) -> list[str]:
    """Return the tokens of prompts and of answers that updates have taken, searches included."""
    rows = [row for row in run.cost.to_pylist() if row["stage"].startswith(STAGES)]
    return [f"{sum(row[name] for row in rows):,}" for name in ("tokens_prompt", "tokens_generated")]


def _kept(run: Run, method: str) -> str:
    """Return the share of updates that kept the old persona; empty without a search."""
    chosen: dict[tuple[str, str, int], bool] = {}
    for row in run.search.to_pylist() if run.search else ():
        if row["method"] == method:
            key = (row["domain"], row["user"], row["k"])
            chosen[key] = chosen.get(key, False) or row["chosen"]
    return f"{1 - float(np.mean(list(chosen.values()))):.0%}" if chosen else ""


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
