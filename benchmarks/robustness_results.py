"""Write one part of `docs/results/robustness.json`.

`fuzz.py` and `chaos.py` write one part each. `scripts/docs_results.py` renders both into docs/results.md.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deeper.learning.export.hub_cards import without_places


def write_part(out: Path, name: str, found: Mapping[str, Any]) -> None:
    """Replace one part of the file, and keep the others.

    Args:
        out: The JSON file; made if it is not there.
        name: Name of the part.
        found: The results, with their provenance.
    """
    results = json.loads(out.read_text("utf-8")) if out.exists() else {}
    results[name] = without_places(dict(found))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1, allow_nan=False, sort_keys=True) + "\n", "utf-8")
