"""Lines under the tables: failures, leaks, calibration, and what was not available."""

from collections.abc import Mapping
from typing import Any


def footer(results: Mapping[str, Any]) -> list[str]:
    """The lines, in ASCII."""
    leaks = {method: f"{rate:.0%}" for method, rate in _above_zero(results["leaks"]).items()}
    return [
        "Error: mean over users of the user's mean over ratings; with several domains, mean over domains.",
        _counted("Predictions that could not be read", _above_zero(results["failures"])),
        _counted(
            "Personas that could not be written (the older one kept)",
            _above_zero(results["persona_failures"]),
        ),
        _counted("Personas that name a title or a rating", leaks),
        _counted("Windows without any rating (left out)", _above_zero(results["unrated"])),
        f"Calibration: {_calibration(results)}.",
        *(f"History in {name}: {_history(fits)}." for name, fits in results.get("history", {}).items()),
        *(f"Not available: {missing}." for missing in _reasons(results["not_available"])),
    ]


CALIBRATIONS = {
    "domain": "fitted on the domain's train users",
    "others": "each user's fitted on the domain's other judged users",
    "pooled": "fitted on other domains' train users",
    "off": "off",
}


def _above_zero(counts: Mapping[str, float]) -> dict[str, float]:
    return {name: count for name, count in counts.items() if count}


def _counted(what: str, values: Mapping[str, Any]) -> str:
    said = ", ".join(f"{name} {value}" for name, value in values.items()) or "none"
    return f"{what}: {said}."


def _calibration(results: Mapping[str, Any]) -> str:
    """How the model's predictions were calibrated in each domain."""
    kinds: dict[str, list[str]] = {}
    for entry in results["errors"]:
        if entry["readout"] != "none" and not entry["domain"].startswith("mean"):
            domains = kinds.setdefault(entry["calibrated"], [])
            if entry["domain"] not in domains:
                domains.append(entry["domain"])
    said = [
        f"{', '.join(domains)}: {', '.join(CALIBRATIONS[part] for part in kind.split('+'))}"
        for kind, domains in kinds.items()
    ]
    return "; ".join(said) or "no prediction by a model"


def _history(fits: Mapping[str, Mapping[str, Any]]) -> str:
    """The weights of the predictions with history, and of `history_only`."""
    said: list[str] = []
    for label, fit in fits.items():
        weights = f"history {fit['history']:g}, persona {fit['persona']:g}, shrinkage {fit['shrinkage']:g} ratings"
        said.append(f"{label.replace('_', ' ')}: weights {weights}, {CALIBRATIONS[fit['fitted_on']]}")
    return "; ".join(said)


def _reasons(missing: list[dict[str, str]]) -> list[str]:
    domains: dict[tuple[str, str], list[str]] = {}
    for entry in missing:
        domains.setdefault((entry["method"], entry["reason"]), []).append(entry["domain"])
    return [f"{method} in {', '.join(names)} ({reason})" for (method, reason), names in domains.items()]
