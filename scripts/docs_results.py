"""Write results into the documents: what stands between two marker lines comes from a JSON file.

    python scripts/docs_results.py            # writes; --check only compares, and exits 1 if a document differs

`<!-- NAME:begin -->` and `<!-- NAME:end -->` in README.md or docs/*.md hold what the renderer NAME makes of
docs/results/NAME.json (of its first word, where it has two: `small_details`). So no number in the documents is copied
by hand.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import docs_figures
import docs_small
from docs_cells import Results

ROOT = Path(__file__).resolve().parents[1]

MARK = re.compile(r"<!-- (\w+):(?:begin|end) -->")

RENDERERS: Mapping[str, Callable[[Results], str]] = {
    "small": docs_small.small,
    "small_details": docs_small.small_details,
    "demo": docs_figures.demo,
    "untuned": docs_small.untuned,
    "readers": docs_figures.readers,
    "ceiling": docs_figures.ceiling,
    "ablation": docs_small.ablation,
    "transfer": docs_small.ablation,
    "preference": docs_figures.preference,
    "tracker": docs_figures.tracker,
    "robustness": docs_figures.robustness,
    "speed": docs_figures.speed,
    "prepare": docs_figures.prepare,
}


def with_blocks(document: str, results: Path, where: str) -> str:
    """A document with the text between its markers made anew.

    Args:
        document: Its text.
        results: The folder of the JSON files.
        where: Its name, for errors.

    Raises:
        SystemExit: A marker is not one of a pair, has no renderer, or its JSON file is missing.
    """
    for name in dict.fromkeys(MARK.findall(document)):
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, _, rest = document.partition(begin)
        _, _, after = rest.partition(end)
        if MARK.findall(document).count(name) != 2 or end not in rest:
            raise SystemExit(f"{where} needs {begin} and {end}, each once and in this order")
        if name not in RENDERERS:
            raise SystemExit(f"{where}: nothing renders {name!r}; choose from {', '.join(RENDERERS)}")
        source = results / f"{name.partition('_')[0]}.json"
        if not source.is_file():
            raise SystemExit(f"{where}: there is no {source.name} in {results}; run what makes it")
        block = RENDERERS[name](json.loads(source.read_text("utf-8")))
        document = f"{before}{begin}\n{block}\n{end}{after}"
    return document


def main() -> int:
    """Write or check; 0 if the documents hold their results (now), 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a document differs")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder with README.md and docs")
    options = parser.parse_args()
    stale = False
    for path in (options.root / "README.md", *sorted(options.root.glob("docs/*.md"))):
        document = path.read_text("utf-8")
        wanted = with_blocks(document, options.root / "docs" / "results", path.name)
        if options.check and document != wanted:
            print(f"{path.name} does not hold the results; run this without --check")
            stale = True
        elif document != wanted:
            path.write_text(wanted, "utf-8")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
