"""What a part of a training is worth: runs of `deeper evaluate` on validation users, each against the first.

    python benchmarks/ablation.py "all parts=RUNS/all" "without one=RUNS/without" … > docs/results/ablation.json
    python benchmarks/ablation.py none=RUNS/all food_com=RUNS/without-1 amazon_movies=RUNS/without-2 … \
        each=RUNS/without-1 each=RUNS/without-2 … > docs/results/transfer.json

Means over all rounds of a user's error in the next window. `ratio` is the error of `refine` by that of the user median,
`difference` that of `refine` less the first run's on the users whom both judge: where a run judges one domain, that
domain's. A name that is given again stands for its runs together, of other users each. Means of domains, 95 %
intervals by bootstraps over users within their domain.
"""

import argparse
import json
from pathlib import Path

from deeper.storage.provenance import provenance
from paired import SEED, Key, Row, difference, errors_of, mean_of_rounds, ratio, said


def main() -> None:
    """Compare, and print the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=named, nargs="+", help="NAME=RUN")
    given = parser.parse_args()
    result = {"benchmark": "ablation", **provenance(), "seed": SEED, "runs": compared(given.runs)}
    print(json.dumps(result, indent=1, ensure_ascii=False, allow_nan=False))


def compared(runs: list[tuple[str, Path]]) -> list[Row]:
    """A row for each name."""
    errors: dict[str, dict[str, dict[Key, float]]] = {}
    for name, run in runs:
        for method, users in mean_of_rounds(errors_of(run, "persona")).items():
            known = errors.setdefault(name, {}).setdefault(method, {})
            if known.keys() & users.keys():
                raise SystemExit(f"runs named {name!r} judge the same users; give each run a name of its own")
            known.update(users)
    first = errors[runs[0][0]]["refine"]
    return [
        {
            "name": name,
            "ratio": said(ratio(found["refine"], found["user_median"])),
            "difference": said(difference(found["refine"], first)),
            "users": len(found["refine"]),
        }
        for name, found in errors.items()
    ]


def named(text: str) -> tuple[str, Path]:
    """NAME=RUN."""
    name, _, path = text.partition("=")
    if not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=RUN")
    return name, Path(path)


if __name__ == "__main__":
    main()
