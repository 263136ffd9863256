"""Write the demo's real output into the README.

    deeper demo --out runs/demo
    cp runs/demo/results.json docs/results/demo.json
    python scripts/readme_results.py            # writes; --check only compares, and exits 1 if the README differs

The tables are what `deeper demo` prints, at 100 columns and without colour, between two marker lines; one line below
says where they come from. So no number in the README is copied by hand.
"""

import argparse
import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from deeper.report.terminal import print_results

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results" / "demo.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- demo:begin -->", "<!-- demo:end -->"
COLUMNS = 100


def demo_block(results: Mapping[str, Any]) -> str:
    """What stands between the markers.

    Args:
        results: The content of a results.json.
    """
    screen = io.StringIO()
    print_results(results, Console(file=screen, width=COLUMNS, color_system=None, force_terminal=False))
    tables = "\n".join(line.rstrip() for line in screen.getvalue().splitlines()).strip()
    return f"```text\n{tables}\n```\n\n{origin(results)}"


def origin(results: Mapping[str, Any]) -> str:
    """One line of where results come from: commit, machine, seconds, seed."""
    machine, seconds = results["machine"], results["cost"]["total"]["seconds"]
    commit = f"commit `{results['commit'][:12]}`" if results["commit"] else "no commit"
    if (results["commit"] or "").endswith("+changes"):
        commit += " with changes"
    return (
        f"From {commit}; {machine['processor']}, {machine['cores']} cores; {seconds:.0f} s in the stages; "
        f"seed {results['seed']}. Written by `scripts/readme_results.py`."
    )


def with_block(readme: str, block: str) -> str:
    """The README with the text between its markers replaced.

    Raises:
        SystemExit: The markers are not there, once and in order.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after or END in before + after:
        raise SystemExit(f"the README needs {BEGIN} and {END}, each once and in this order")
    return f"{before}{BEGIN}\n{block}\n{END}{after}"


def main() -> int:
    """Write or check; 0 if the README holds the block (now), 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the README differs")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the results.json of a demo run")
    parser.add_argument("--readme", type=Path, default=README, help="the file with the markers")
    options = parser.parse_args()
    if not options.results.is_file():
        raise SystemExit(f"there is no {options.results}; copy the results.json of a demo run there")
    readme = options.readme.read_text("utf-8")
    wanted = with_block(readme, demo_block(json.loads(options.results.read_text("utf-8"))))
    if options.check:
        if readme != wanted:
            print(
                f"{options.readme.name} does not hold the results of {options.results.name}; run this without --check"
            )
        return int(readme != wanted)
    options.readme.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
