"""Prove from the files of trainings and runs that no eval user reached a training, a calibration or a choice.

    python benchmarks/unseen.py --data movielens_small --data FOLDER RUNS > unseen.json

Trainings, samplings and evaluations leave salted hashes of the windows (titles with ratings) that they used, in
fingerprints.json. This script finds these files under RUNS and compares them with the windows of all eval users. It
prints JSON. The exit status is 1 if a window of an eval user was used, or if the files prove nothing: a domain has no
eval user, no window was used at all, or a training left no fingerprints. Those of preference learning lie in the folder
`sampled` beside it; shipped adapters share one file.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from deeper.behaviour.fingerprints import FINGERPRINTS, fingerprints
from deeper.behaviour.load import load_windows
from deeper.engine.adapter import CARD
from deeper.storage.provenance import provenance


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, action="append", help="as for deeper evaluate; repeatable")
    parser.add_argument("runs", type=Path, help="folder with the trainings and runs, at any depth")
    given = parser.parse_args()
    eval_windows: dict[str, set[str]] = {}
    for source in given.data:
        loaded = load_windows(source)
        rows = loaded.windows.to_pylist()
        for domain in loaded.domains:
            windows = [row["items"] for row in rows if (row["domain"], row["split"]) == (domain, "eval")]
            eval_windows[domain] = set(fingerprints(windows))
    artefacts = [_compared(path, given.runs, eval_windows) for path in sorted(given.runs.rglob(FINGERPRINTS))]
    cards = sorted(given.runs.rglob(CARD))
    silent = [card.parent.relative_to(given.runs).as_posix() for card in cards if _hides(card, given.runs)]
    overlap = sum(sum(artefact["overlap"].values()) for artefact in artefacts)
    is_complete = all(eval_windows.values()) and any(artefact["windows"] for artefact in artefacts) and not silent
    result = {
        "benchmark": "unseen",
        **provenance(),
        "eval_windows": {domain: len(found) for domain, found in eval_windows.items()},
        "artefacts": artefacts,
        "without_fingerprints": silent,
        "overlap": overlap,
        "proves": is_complete and not overlap,
    }
    print(json.dumps(result, indent=1))
    return 0 if result["proves"] else 1


def _hides(card: Path, runs: Path) -> bool:
    """Whether a training left no fingerprints of the windows it used."""
    place = card.parent
    lists = [place / FINGERPRINTS]
    if "pairs" in json.loads(card.read_text("utf-8"))["provenance"]:
        lists.append(place.parent / "sampled" / FINGERPRINTS)
    if place.parent == runs:
        lists.append(runs / FINGERPRINTS)
    return not any(path.is_file() for path in lists)


def _compared(path: Path, runs: Path, eval_windows: dict[str, set[str]]) -> dict[str, Any]:
    used = set(json.loads(path.read_text("utf-8"))["windows"])
    overlap = {domain: len(used & found) for domain, found in eval_windows.items() if used & found}
    return {"artefact": path.parent.relative_to(runs).as_posix(), "windows": len(used), "overlap": overlap}


if __name__ == "__main__":
    sys.exit(main())
