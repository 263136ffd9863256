"""Compare runs of `deeper evaluate` on validation users with the first of them: what is a part of a training worth?

    python benchmarks/ablation.py "all parts=RUNS/all" "without one=RUNS/without" … > docs/results/ablation.json
    python benchmarks/ablation.py none=RUNS/all food_com=RUNS/without-1 amazon_movies=RUNS/without-2 … \
        each=RUNS/without-1 each=RUNS/without-2 … > docs/results/transfer.json

Errors are those of the next window, means over all rounds. `ratio` is the error of `refine` divided by that of the user
median. `difference` is the error of `refine` minus that of the first run, on the users that both runs evaluate. A name
given twice stands for its runs together; they must evaluate different users. Figures are means of domains, with 95 %
t intervals over users. All runs must compute in the same numbers (`--precision`); `engines` are those of the first.
"""

import argparse
import json
from pathlib import Path

from deeper.evaluation.results_schema import read_results
from deeper.storage import layout
from deeper.storage.provenance import provenance
from paired import SEED, Key, Row, difference, errors_of, mean_of_rounds, ratio, with_interval


def main() -> None:
    """Compare, and print the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=named, nargs="+", help="NAME=RUN")
    given = parser.parse_args()
    result = {"benchmark": "ablation", **provenance(), "engines": engines_of([run for _, run in given.runs])}
    result |= {"seed": SEED, "runs": compared(given.runs)}
    print(json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False))


def engines_of(runs: list[Path]) -> Row:
    """Return the engines of the first run that names them, as results.json holds them; earlier versions named none."""
    found = {run: engines for run in runs if (engines := read_results(run / layout.RESULTS_FILE).engines)}
    if not found:
        return {}
    numbers = {run: {role: engine.computes_in for role, engine in engines.items()} for run, engines in found.items()}
    first = next(iter(found))
    if differing := [run for run, own in numbers.items() if own != numbers[first]]:
        raise SystemExit(f"{differing[0]} computes in other numbers than {first}; run both with the same --precision")
    return {role: engine.model_dump() for role, engine in found[first].items()}


def compared(runs: list[tuple[str, Path]]) -> list[Row]:
    """Return a row for each name."""
    errors: dict[str, dict[str, dict[Key, float]]] = {}
    for name, run in runs:
        for method, users in mean_of_rounds(errors_of(run, "persona")).items():
            known = errors.setdefault(name, {}).setdefault(method, {})
            if known.keys() & users.keys():
                raise SystemExit(f"runs named {name!r} evaluate the same users; give each run its own name")
            known.update(users)
    first = errors[runs[0][0]]["refine"]
    return [
        {
            "name": name,
            "ratio": with_interval(ratio(found["refine"], found["user_median"])),
            "difference": with_interval(difference(found["refine"], first)),
            "users": len(found["refine"]),
        }
        for name, found in errors.items()
    ]


def named(text: str) -> tuple[str, Path]:
    """Split NAME=RUN."""
    name, _, path = text.partition("=")
    if not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=RUN")
    return name, Path(path)


if __name__ == "__main__":
    main()
