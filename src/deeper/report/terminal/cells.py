"""The errors of a run by their places in the tables, and what the tables show of them."""

from collections.abc import Mapping
from typing import Any

Results = Mapping[str, Any]
Cells = Mapping[tuple[str, str, int, str], Mapping[str, Any]]
"""Entries of `errors` and `missing` by (domain, method, round, role)."""

NO_NUMBERS: Mapping[str, Any] = {
    **dict.fromkeys(("rmse", "crps", "rank_accuracy")),
    "ci": (None, None),
    "users": 0,
    "ratings": 0,
}
"""What the place of a missing error has in place of an error's numbers."""


def cells_of(results: Results, *predictions: str) -> Cells:
    """The entries of some kinds of prediction by their places."""
    missing = ({**NO_NUMBERS, **entry} for entry in results.get("missing", ()))
    return {
        (e["domain"], e["method"], e["round"], e["role"]): e
        for e in (*results["errors"], *missing)
        if prediction_of(e) in predictions
    }


def prediction_of(entry: Mapping[str, Any]) -> str:
    """How the predictions of an entry were made."""
    return entry.get("prediction", "persona")  # results of earlier versions do not have it


def shown(cells: Cells) -> tuple[str, int]:
    """The domain, or mean of domains, that the tables show, and its last round."""
    domain = "mean" if any(key[0] == "mean" for key in cells) else next(iter(cells))[0]
    return domain, _last_round(cells, domain)


def _last_round(cells: Cells, domain: str) -> int:
    """The domain's last round with an error, held-out errors first."""
    own = [(role == "future", t) for name, _, t, role in cells if name == domain]
    return max(own)[1]


def shorter(results: Results) -> str:
    """A line on domains whose windows end early, which cuts the means short; empty if there are none."""
    cells = cells_of(results, "persona", "none")
    domain, last = shown(cells)
    rounds = {name: _last_round(cells, name) for name, *_ in cells if name in results["users"]}
    end = max(rounds.values())
    if domain != "mean" or end == last:
        return ""
    short = ", ".join(name for name, t in rounds.items() if t <= last)
    later = f"Round {end} is" if end == last + 1 else f"Rounds {last + 1} to {end} are"
    why = (
        f"no error after round {last} in {short}"
        if short
        else f"no method has a later error than {last} in all domains"
    )
    return f"{later} not shown: {why}. The other domains' errors are in results.json."
