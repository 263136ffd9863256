"""Compare runs of `deeper evaluate` on validation users with the first of them: what is a part of a training worth?

    python benchmarks/ablation.py "all parts=RUNS/all" "without one=RUNS/without" … > docs/results/ablation.json
    python benchmarks/ablation.py none=RUNS/all food_com=RUNS/without-1 amazon_movies=RUNS/without-2 … \
        each=RUNS/without-1 each=RUNS/without-2 … > docs/results/transfer.json

Errors are those of the next window, means over all rounds. `ratio` is the error of `refine` divided by that of the user
median. `difference` is the error of `refine` minus that of the first run, on the users that both runs evaluate. A name
given twice stands for its runs together; they must evaluate different users. Figures are means of domains, with 95 %
t intervals over users.
"""

import argparse
import json
from pathlib import Path

from deeper.storage.provenance import provenance
from paired import SEED, Key, Row, difference, errors_of, mean_of_rounds, ratio, with_interval


def main() -> None:
    """Compare, and print the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=named, nargs="+", help="NAME=RUN")
    given = parser.parse_args()
    result = {"benchmark": "ablation", **provenance(), "seed": SEED, "runs": compared(given.runs)}
    print(json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False))


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
