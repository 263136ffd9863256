"""The origin of a run's results, as a list of terms."""

from collections.abc import Mapping
from html import escape
from typing import Any

from deeper.errors import printable
from deeper.evaluation.json_parts import numbers_used
from deeper.evaluation.runs.load_run import Run


def provenance_list(run: Run) -> str:
    """Commit, machine, engines, prompts, versions and all settings."""
    results, manifest = run.results, run.manifest
    origin = {
        "commit": results.commit or "unknown",
        "seed": results.seed,
        "data": results.source,
        "machine": _line(results.machine),
        "engines": _line(manifest["engines"]),
        "precision": numbers_used({role: engine.computes_in for role, engine in results.engines.items()}) or "unknown",
        "prompts": manifest["prompt_version"],
        "users": f"{manifest['eval_users']} evaluated, {manifest['calibration_users']} for calibration",
        "versions": _line(results.versions),
    }
    settings = {name: _text(value) for name, value in results.config.items()}
    return f"{_terms(origin)}<h3>Settings</h3>{_terms(settings)}"


def _terms(values: Mapping[str, Any]) -> str:
    pairs = "".join(
        f"<dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(printable(str(value)))}</dd>"
        for name, value in values.items()
    )
    return f"<dl>{pairs}</dl>"


def _line(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in found.items())


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part}" for name, part in value.items() if part != "") or "–"
    return "–" if value == "" else str(value)
