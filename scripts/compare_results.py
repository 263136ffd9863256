"""Compare the results of two runs to the last digit, to show that a change of the code changes no result.

    python scripts/compare_results.py BEFORE AFTER      # two results.json, or two run folders

Prints "equal" and exits 0, or prints the first differences, each with its path, and exits 1. Run both on one machine:
another processor computes other last digits. Of two run folders it also compares the tables of personas, predictions
and errors.

Not compared: where and when results were made (`commit`, `versions`, `machine`, `seconds`, `cost`), `notes`, `engines`
(tables and errors name them too), settings that only one of the two has, ids of rows, and `prompt_version`, which is
part of them.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

RESULTS = "results.json"
TABLES = ("personas.parquet", "predictions.parquet", "errors.parquet")
IGNORED = frozenset(
    ("commit", "versions", "machine", "engines", "seconds", "cost", "notes")
    + ("id", "parent", "persona_id", "prompt_version")
)
"""JSON keys and table columns that say where results come from, or name a row."""
SHOWN_DIFFERENCES = 20
LONGEST_VALUE = 120
"""Characters of a value that are printed."""
MISSING = object()


def main() -> int:
    """Compare, print, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="results.json or run folder")
    parser.add_argument("after", type=Path, help="the same of the other run")
    given = parser.parse_args()
    if given.before.is_dir() != given.after.is_dir():
        parser.error("give two files or two run folders")
    names = (RESULTS, *TABLES) if given.before.is_dir() else ("",)
    pairs = [(name or RESULTS, given.before / name, given.after / name) for name in names]
    if missing := [path for _, *paths in pairs for path in paths if not path.is_file()]:
        parser.error(f"{missing[0]} is not there; compare finished runs of deeper evaluate or deeper demo")
    found = (line for name, before, after in pairs for line in differences(read(before), read(after), name))
    lines = list(islice(found, SHOWN_DIFFERENCES))
    print("\n".join(lines) or "equal")
    if len(lines) == SHOWN_DIFFERENCES:
        print(f"Only the first {SHOWN_DIFFERENCES} differences are shown.")
    return int(bool(lines))


def read(path: Path) -> Any:
    """The content of a JSON file, or the rows of a Parquet file."""
    return pq.read_table(path).to_pylist() if path.suffix == ".parquet" else json.loads(path.read_text("utf-8"))


def differences(before: Any, after: Any, path: str) -> Iterator[str]:
    """Lines that say where two values differ.

    Args:
        before: JSON, or rows of a table.
        after: The other.
        path: Where both stand, as `results.json: errors[3].mae`.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        is_config = path.endswith("config")
        for key in [*before, *(key for key in after if key not in before)]:
            values = before.get(key, MISSING), after.get(key, MISSING)
            if key not in IGNORED and not (is_config and MISSING in values):
                yield from differences(*values, f"{path}{'.' if ': ' in path else ': '}{key}")
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield f"{path}: {len(before)} entries before, {len(after)} after"
        at = path if ": " in path else f"{path}: "
        for number, values in enumerate(zip(before, after, strict=False)):
            yield from differences(*values, f"{at}[{number}]")
    elif type(before) is not type(after) or (before != after and not both_nan(before, after)):
        yield f"{path}: {shown(before)} before, {shown(after)} after"


def both_nan(before: Any, after: Any) -> bool:
    """Whether both values are NaN, which is unequal to itself."""
    return before != before and after != after


def shown(value: Any) -> str:
    """A value as it is printed."""
    text = "nothing" if value is MISSING else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


if __name__ == "__main__":
    sys.exit(main())
