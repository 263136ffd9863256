"""Run the README's Python example with the small model, and keep its output for docs/tracker.md.

python scripts/tracker_example.py && python scripts/docs_results.py
"""

import contextlib
import io
import json
import re
import tempfile
import time
from pathlib import Path

from deeper.storage.provenance import provenance
from deeper.tracker.settings import TrackerSettings

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "results" / "tracker.json"


def example() -> str:
    """Return the README's block of Python that makes a tracker."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    [block] = [block for block in blocks if "PersonaTracker(" in block]
    return block


def run() -> str:
    """Run the example in a temporary folder, and return its output."""
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        exec(compile(example(), "README.md", "exec"), {"__name__": "example"})
    return printed.getvalue().strip()


def main() -> None:
    """Run it and write the results."""
    began = time.monotonic()
    printed = run()
    seed = TrackerSettings().seed
    results = {**provenance(), "seed": seed, "seconds": round(time.monotonic() - began, 1), "printed": printed}
    TARGET.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(printed)


if __name__ == "__main__":
    main()
