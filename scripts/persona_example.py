"""Take one user's first persona and its first refinement out of a finished demo, for the README.

    python scripts/persona_example.py runs/readme && python scripts/docs_results.py

The user is the first of the run by id whose first two personas were written, so nobody chooses a nice one.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from deeper.evaluation.results_schema import read_results
from deeper.measure.word_changes import word_changes
from deeper.storage import layout

TARGET = Path(__file__).resolve().parents[1] / "docs" / "results" / "persona.json"


def main() -> None:
    """Write docs/results/persona.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of deeper demo on the bundled data")
    run = parser.parse_args().run
    TARGET.write_text(json.dumps(example(run), indent=1, ensure_ascii=False) + "\n", "utf-8")


def example(run: Path) -> dict[str, Any]:
    """Return the user's personas, the words that changed, and the window that lies between them."""
    results = read_results(run / layout.RESULTS_FILE)
    rows = pq.read_table(run / layout.PERSONAS_FILE).to_pylist()
    first = {row["user"]: row for row in rows if row["method"] == "initialise" and not row["failure"]}
    refined = {row["user"]: row for row in rows if (row["method"], row["k"], row["failure"]) == ("refine", 1, "")}
    user = min(first.keys() & refined.keys())
    windows = {row["k"]: row for row in pq.read_table(run / layout.WINDOWS_FILE).to_pylist() if row["user"] == user}
    [predicted] = [
        row["points"]
        for row in pq.read_table(run / layout.PREDICTIONS_FILE).to_pylist()
        if (row["persona_id"], row["k"]) == (first[user]["id"], 1)
    ]
    changes = word_changes(first[user]["text"], refined[user]["text"])
    return {
        "commit": results.commit,
        "versions": results.versions,
        "machine": results.machine,
        "engines": {role: engine.model_dump() for role, engine in results.engines.items()},
        "seed": results.seed,
        "before": first[user]["text"],
        "changes": [vars(change) for change in changes],
        "window": [
            {"title": item["title"], "predicted": point, "actual": item["rating"]}
            for item, point in zip(windows[1]["items"], predicted, strict=True)
        ],
    }


if __name__ == "__main__":
    main()
