"""The data of the persona browser: an index of all users, and blocks that hold the personas of some users each.

The page unpacks the index when it opens, and a block when one of its users is chosen.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deeper.behaviour.users import key_of
from deeper.domains import Domain
from deeper.evaluation.methods import Group, by_group, in_order, sees, updaters_in
from deeper.evaluation.runs.load_run import Run
from deeper.report.evidence_shown import evidence_shown
from deeper.report.pages.html import packed

USERS_PER_BLOCK = 25
RATING_DIGITS = 4
"""Tables hold ratings in single precision; rounding makes 3.7 read 3.7 in the page."""

Row = dict[str, Any]
Key = tuple[str, str]


def browser_data(run: Run) -> list[str]:
    """The blocks of data of a page: `index`, then `block-0`, `block-1` and so on."""
    config, windows = run.results.config, _windows(run)
    keys = sorted(windows)
    groups = by_group(config["methods"])
    methods = [name for group in (Group.PERSONAS, Group.CONTROLS) for name in groups.get(group, ())]
    index = {
        "users_per_block": USERS_PER_BLOCK,
        "rounds": config["rounds"],
        "domains": {name: _scale(domain) for name, domain in run.domains.items()},
        "methods": methods,
        "sees": {method: sees(method) for method in methods},
        "updaters": updaters_in(methods),
        "users": [{"user": user, "domain": domain} for domain, user in keys],
        "errors": _errors(run, keys),
    }
    personas, predictions = _by_user(run.personas.to_pylist()), _predictions(run)
    decided = _decisions(run)
    evidence = _evidence(run, personas, predictions) if config.get("evidence", "none") == "kinds" else {}
    found = [
        {
            "windows": windows[key],
            "personas": [
                _persona(row, run.domains[key[0]], predictions, decided) | {"evidence": evidence.get(row["id"], [])}
                for row in personas.get(key, ())
            ],
        }
        for key in keys
    ]
    blocks = [found[start : start + USERS_PER_BLOCK] for start in range(0, len(found), USERS_PER_BLOCK)]
    return [packed("index", index), *(packed(f"block-{number}", block) for number, block in enumerate(blocks))]


def _scale(domain: Domain) -> Row:
    return {"name": domain.name, "noun": domain.item_noun, "labels": domain.scale.labels}


def _windows(run: Run) -> dict[Key, list[list[list[Any]]]]:
    """Title and rating of each item, by user and window; the rating is null where it means "no rating"."""
    found: dict[Key, list[list[list[Any]]]] = {}
    for row in run.windows.to_pylist():
        rated = run.domains[row["domain"]].is_rated(np.array([item["rating"] for item in row["items"]]))
        items = [
            [item["title"], round(item["rating"], RATING_DIGITS) if known else None]
            for item, known in zip(row["items"], rated.tolist(), strict=True)
        ]
        found.setdefault(key_of(row), []).append(items)
    return found


def _evidence(
    run: Run, personas: Mapping[Key, Sequence[Row]], predictions: Mapping[str, Sequence[Row]]
) -> dict[str, list[str]]:
    """The evidence that the prompt of each final persona has shown, by persona."""
    found: dict[str, list[str]] = {}
    rated: dict[Key, list[Row]] = _by_user(run.windows.sort_by("k").to_pylist())
    for key, own in personas.items():
        windows, domain = [row["items"] for row in rated[key]], run.domains[key[0]]
        final = {(row["method"], row["k"]): row for row in own if row["stage"] == "final"}
        for (method, k), row in final.items():
            before = final.get((method if k > 1 else "initialise", k - 1), {"id": ""})
            made = (one for one in predictions.get(before["id"], ()) if one["k"] == k and not one["failure"])
            points = next((one["points"] for one in made), None)
            found[row["id"]] = evidence_shown(method, windows[: k + 1], points, domain)
    return found


def _errors(run: Run, keys: Sequence[Key]) -> dict[str, list[list[float | None]]]:
    """Held-out MAE of predictions from the persona alone, by method, user and round."""
    place, rounds = {key: i for i, key in enumerate(keys)}, run.results.config["rounds"]
    found: dict[str, list[list[float | None]]] = {}
    columns = ("domain", "user", "method", "round", "role", "prediction", "mae")
    for row in run.errors.select(columns).to_pylist():
        if row["role"] == "future" and row["prediction"] != "history":
            table = found.setdefault(row["method"], [[None] * (rounds + 1) for _ in keys])
            table[place[key_of(row)]][row["round"]] = round(row["mae"], 3)
    return {method: found[method] for method in in_order(found)}


def _by_user(rows: Sequence[Row]) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(key_of(row), []).append(row)
    return found


def _predictions(run: Run) -> dict[str, list[Row]]:
    """Predictions by persona."""
    found: dict[str, list[Row]] = {}
    for row in run.predictions.select(["persona_id", "k", "points", "distribution", "failure"]).to_pylist():
        found.setdefault(row["persona_id"], []).append(row)
    return found


def _decisions(run: Run) -> dict[tuple[str, str, str, int], Row]:
    """For each update with a search: the number of candidates `n`, and the gain of the chosen one."""
    found: dict[tuple[str, str, str, int], Row] = {}
    for row in run.search.to_pylist() if run.search is not None else ():
        update = found.setdefault((row["domain"], row["user"], row["method"], row["k"]), {"n": 0, "gain": None})
        update["n"] += 1
        if row["chosen"]:
            update["gain"] = row["gain"]
    return found


def _persona(
    row: Row,
    domain: Domain,
    predictions: Mapping[str, Sequence[Row]],
    decided: Mapping[tuple[str, str, str, int], Row],
) -> Row:
    """A persona and its predictions of later windows."""
    later = [prediction for prediction in predictions.get(row["id"], ()) if prediction["k"] > row["k"]]
    return {
        **{name: row[name] for name in ("method", "k", "stage", "text", "leaks", "failure")},
        "search": decided.get((row["domain"], row["user"], row["method"], row["k"])),
        "predicted": {str(prediction["k"]): _prediction(prediction, domain) for prediction in later},
    }


def _prediction(row: Row, domain: Domain) -> Row:
    if row["failure"]:
        return {"failure": row["failure"]}
    # Whole percent are as fine as a bar shows.
    percent = np.rint(100 * np.array(row["distribution"])).astype(int).tolist()
    points = np.array(row["points"], np.float64)
    return {
        "points": points.round(RATING_DIGITS).tolist(),
        "rounded": domain.scale.round(points).round(RATING_DIGITS).tolist(),
        "percent": percent,
    }
