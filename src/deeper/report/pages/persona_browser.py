"""The data of the browser of evolving personas: an index of all users, and what each of them holds, in parts.

The page unpacks the index when it is opened, and a part (`PART` users) when one of its users is chosen.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deeper.domains import Domain
from deeper.evaluation.methods import CONTROLS, METHODS, UPDATERS
from deeper.report.pages.html import packed
from deeper.report.run_files import RunFiles

PART = 25
"""Users of a part."""
SHOWN = ("frozen", *UPDATERS, *CONTROLS)
"""Methods that have predictions of a model to be looked at."""
DIGITS = 4
"""Of ratings: tables hold them in single precision, and 3.7 is to be 3.7 in the page."""

Row = dict[str, Any]
Key = tuple[str, str]


def people(run: RunFiles) -> list[str]:
    """The blocks of data of a page: `index` and `part-0`, `part-1` and so on.

    Args:
        run: A run's files.
    """
    windows = _windows(run)
    keys = sorted(windows)
    index = {
        "part": PART,
        "rounds": run.results["config"]["rounds"],
        "domains": {name: _scale(domain) for name, domain in run.domains.items()},
        "methods": [method for method in SHOWN if method in run.results["config"]["methods"]],
        "users": [{"user": user, "domain": domain} for domain, user in keys],
        "errors": _errors(run, keys),
    }
    personas, predictions = _by_user(run.personas.to_pylist()), _predictions(run)
    decided = _decisions(run)
    found = [
        {
            "windows": windows[key],
            "personas": [_persona(row, run.domains[key[0]], predictions, decided) for row in personas.get(key, ())],
        }
        for key in keys
    ]
    parts = [found[start : start + PART] for start in range(0, len(found), PART)]
    return [packed("index", index), *(packed(f"part-{i}", part) for i, part in enumerate(parts))]


def _scale(domain: Domain) -> Row:
    return {"name": domain.name, "noun": domain.item_noun, "labels": domain.scale.labels}


def _windows(run: RunFiles) -> dict[Key, list[list[list[Any]]]]:
    """Title and rating of each item, by user and window; null where there is no rating."""
    found: dict[Key, list[list[list[Any]]]] = {}
    for row in run.windows.to_pylist():
        rated = run.domains[row["domain"]].is_rated(np.array([item["rating"] for item in row["items"]]))
        items = [
            [item["title"], round(item["rating"], DIGITS) if known else None]
            for item, known in zip(row["items"], rated.tolist(), strict=True)
        ]
        found.setdefault((row["domain"], row["user"]), []).append(items)
    return found


def _errors(run: RunFiles, keys: Sequence[Key]) -> dict[str, list[list[float | None]]]:
    """Held-out MAE by method, user and round, of predictions from the persona alone."""
    place, rounds = {key: i for i, key in enumerate(keys)}, run.results["config"]["rounds"]
    found: dict[str, list[list[float | None]]] = {}
    columns = ("domain", "user", "method", "round", "role", "prediction", "mae")
    for row in run.errors.select(columns).to_pylist():
        if row["role"] == "future" and row["prediction"] != "history":
            table = found.setdefault(row["method"], [[None] * (rounds + 1) for _ in keys])
            table[place[row["domain"], row["user"]]][row["round"]] = round(row["mae"], 3)
    return {method: found[method] for method in METHODS if method in found}


def _by_user(rows: Sequence[Row]) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault((row["domain"], row["user"]), []).append(row)
    return found


def _predictions(run: RunFiles) -> dict[str, list[Row]]:
    """Predictions by persona."""
    found: dict[str, list[Row]] = {}
    for row in run.predictions.select(["persona_id", "k", "points", "distribution", "failure"]).to_pylist():
        found.setdefault(row["persona_id"], []).append(row)
    return found


def _decisions(run: RunFiles) -> dict[tuple[str, str, str, int], Row]:
    """How many candidates of an update a search of directions judged, and what the chosen one gained."""
    found: dict[tuple[str, str, str, int], Row] = {}
    for row in run.search.to_pylist() if run.search is not None else ():
        one = found.setdefault((row["domain"], row["user"], row["method"], row["k"]), {"n": 0, "gain": None})
        one["n"] += 1
        if row["chosen"]:
            one["gain"] = row["gain"]
    return found


def _persona(
    row: Row,
    domain: Domain,
    predictions: Mapping[str, Sequence[Row]],
    decided: Mapping[tuple[str, str, str, int], Row],
) -> Row:
    """A persona and what it predicted; probabilities in whole percent, which is as fine as a bar shows."""
    later = [one for one in predictions.get(row["id"], ()) if one["k"] > row["k"]]
    return {
        **{name: row[name] for name in ("method", "k", "stage", "text", "leaks", "failure")},
        "search": decided.get((row["domain"], row["user"], row["method"], row["k"])),
        "predicted": {str(one["k"]): _prediction(one, domain) for one in later},
    }


def _prediction(row: Row, domain: Domain) -> Row:
    if row["failure"]:
        return {"failure": row["failure"]}
    percent = np.rint(100 * np.array(row["distribution"])).astype(int).tolist()
    points = np.array(row["points"], np.float64)
    return {
        "points": points.round(DIGITS).tolist(),
        "told": domain.scale.round(points).round(DIGITS).tolist(),
        "percent": percent,
    }
