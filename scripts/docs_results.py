"""Write results into the documents: what stands between two marker lines comes from a JSON file.

    python scripts/docs_results.py            # writes; --check only compares, and exits 1 if a document differs

Between `<!-- NAME:begin -->` and `<!-- NAME:end -->` in README.md or docs/*.md stands what the renderer NAME makes of
docs/results/NAME.json. (`small_details` reads small.json: only the first word names the file.) A picture
docs/pictures/NAME/FIGURE.svg is that figure of a run's report (`deeper.report.figures`), drawn from the same file.
So nobody copies a number by hand.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import docs_ceiling
import docs_figures
import docs_small
from deeper.evaluation.results_schema import parse_results
from deeper.report.figures import figures
from docs_cells import Results

ROOT = Path(__file__).resolve().parents[1]

MARK = re.compile(r"<!-- (\w+):(?:begin|end) -->")
PICTURE = re.compile(r"\bpictures/(\w+)/(\w+\.svg)")

RENDERERS: Mapping[str, Callable[[Results], str]] = {
    "small": docs_small.small,
    "small_details": docs_small.small_details,
    "small_headline": docs_small.small_headline,
    "persona": docs_figures.persona,
    "demo": docs_figures.demo,
    "demo_summary": docs_figures.demo_summary,
    "untuned": docs_small.untuned,
    "readers": docs_figures.readers,
    "ceiling": docs_ceiling.ceiling,
    "ablation": docs_small.ablation,
    "transfer": docs_small.ablation,
    "preference": docs_figures.preference,
    "tracker": docs_figures.tracker,
    "robustness": docs_figures.robustness,
    "speed": docs_figures.speed,
    "exactspeed": docs_figures.speed,
    "servers": docs_figures.servers,
    "precision": docs_figures.precision,
    "conversion": docs_figures.conversion,
    "prepare": docs_figures.prepare,
}


def with_blocks(document: str, results: Path, where: str) -> str:
    """Return a document with the text between its markers rendered again.

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
        block = RENDERERS[name](_read(_source(results, name.partition("_")[0], where)))
        document = f"{before}{begin}\n{block}\n{end}{after}"
    return document


def pictures(document: str, results: Path, where: str) -> Iterator[tuple[str, bytes]]:
    """Yield the pictures of results that a document shows: folder and name in docs/pictures, and content.

    Args: as `with_blocks`.

    Raises:
        SystemExit: There is no such figure, or its JSON file is missing.
    """
    for name, figure in dict.fromkeys(PICTURE.findall(document)):
        drawn = _drawn(_source(results, name, where))
        if figure not in drawn:
            raise SystemExit(f"{where}: no figure is {name}/{figure}; choose from {', '.join(drawn)}")
        yield f"{name}/{figure}", drawn[figure]


@cache
def _drawn(source: Path) -> dict[str, bytes]:
    return {
        name: content
        for name, content in figures(parse_results(_read(source), source.name)).items()
        if name.endswith(".svg")
    }


def _source(results: Path, name: str, where: str) -> Path:
    source = results / f"{name}.json"
    if not source.is_file():
        raise SystemExit(f"{where}: there is no {source.name} in {results}; run the benchmark that writes it")
    return source


def _read(source: Path) -> Results:
    found: Results = json.loads(source.read_text("utf-8"))
    return found


def made(root: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield each document and picture with the content that it should have."""
    results = root / "docs" / "results"
    for path in (root / "README.md", *sorted(root.glob("docs/*.md"))):
        document = path.read_text("utf-8")
        yield path, with_blocks(document, results, path.name).encode()
        for name, content in pictures(document, results, path.name):
            yield root / "docs" / "pictures" / name, content


def main() -> int:
    """Write or check. Return 0 if the documents now hold their results, 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a document differs")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder with README.md and docs")
    options = parser.parse_args()
    stale = False
    for path, wanted in made(options.root):
        if path.is_file() and path.read_bytes() == wanted:
            continue
        if options.check:
            print(f"{path.name} does not hold the results; run this without --check")
            stale = True
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(wanted)
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
