"""Where a run's results come from, as a list of terms."""

from collections.abc import Mapping
from html import escape
from typing import Any

from deeper.errors import printable
from deeper.report.run_files import RunFiles


def provenance_list(run: RunFiles) -> str:
    """Commit, machine, engines, prompts, versions and all settings."""
    results, manifest = run.results, run.manifest
    named = {
        "commit": results["commit"] or "unknown",
        "seed": results["seed"],
        "data": results["source"],
        "machine": _line(results["machine"]),
        "engines": _line(manifest["engines"]),
        "prompts": manifest["prompt_version"],
        "users": f"{manifest['eval_users']} judged, {manifest['calibration_users']} for calibration",
        "versions": _line(results["versions"]),
    }
    settings = {name: _told(value) for name, value in results["config"].items()}
    return f"{_terms(named)}<h3>Settings</h3>{_terms(settings)}"


def _terms(named: Mapping[str, Any]) -> str:
    pairs = "".join(
        f"<dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(printable(str(value)))}</dd>"
        for name, value in named.items()
    )
    return f"<dl>{pairs}</dl>"


def _line(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in found.items())


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return "–" if value == "" else str(value)
