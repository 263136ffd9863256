"""Parts of the result tables: a table, a value with its interval, where results come from."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from deeper.evaluation.json_parts import numbers_used

Results = Mapping[str, Any]


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def origin(results: Results, *more: str) -> str:
    """Return one line that says where results come from: commit, machine, what models compute in if known, seed."""
    machine = results["machine"]
    names = [machine[name] for name in ("accelerator", "processor") if name in machine]
    numbers = numbers_used({role: engine["computes_in"] for role, engine in results.get("engines", {}).items()})
    computed = [f"computed in {numbers}"] if numbers else []
    parts = (f"{', '.join(names)}, {machine['cores']} cores", *computed, *more, f"seed {results['seed']}")
    return f"From {commit(results)}; {'; '.join(parts)}. Written by `scripts/docs_results.py`."


def literal(text: str) -> str:
    """Text in which no character means anything to Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", text)


def commit(results: Results) -> str:
    """The commit that made results, shortened."""
    if not results["commit"]:
        return "no commit"
    name, _, changes = results["commit"].partition("+")
    return f"commit `{name[:12]}`{' with changes' if changes else ''}"


def interval(value: float | None, limits: Sequence[float], form: str = ".3f") -> str:
    """A value and its interval, in one cell."""
    if value is None:
        return "unknown"
    return f"{value:{form}} ({'..'.join(f'{limit:{form}}' for limit in limits)})"


def cells(found: Results) -> tuple[str, str]:
    """A value and its interval, in two cells."""
    return f"{found['value']:.3f}", "..".join(f"{limit:.3f}" for limit in found["ci"])


def per_cent(value: float | None) -> str:
    """A percentage with one decimal; empty without a value."""
    return "" if value is None else f"{value:.1f}"
