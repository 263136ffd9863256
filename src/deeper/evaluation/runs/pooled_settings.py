"""Runs that differ in nothing but their seed are one setting, whose errors are the mean over seeds, user by user."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.errors import UserError
from deeper.evaluation.comparison import MEASURES, Cell, Cells, cells_of
from deeper.evaluation.runs.compared import ComparedSetting
from deeper.evaluation.runs.load_run import Run

KINDS = {"persona": ("persona", "none"), "history": ("history",)}
"""What predictions are made from: the persona alone (baselines beside it), or with history."""


class Judged(NamedTuple):
    """A run, the name that no other has, and the errors that count: cells by kind of prediction."""

    run: Run
    name: str
    cells: Mapping[str, Cells]


class Setting(NamedTuple):
    """Runs that differ in nothing but their seed, and their errors, averaged by user over them."""

    name: str
    identity: Mapping[str, Any]
    runs: Sequence[Judged]
    cells: Mapping[str, Cells]


def names_of(runs: Sequence[Run]) -> list[str]:
    """The folders' names; their paths where two have the same."""
    folders = [run.folder.resolve() for run in runs]
    if len(set(folders)) < len(folders):
        twice = next(folder for folder in folders if folders.count(folder) > 1)
        raise UserError("the run is given twice", where=str(twice), do="give each run once")
    names = [folder.name for folder in folders]
    return names if len(set(names)) == len(names) else [str(run.folder) for run in runs]


def held_out_cells(errors: pa.Table) -> dict[str, Cells]:
    """The cells of ERROR rows, by kind of prediction."""
    return {kind: cells_of(errors.filter(pc.field("prediction").isin(values))) for kind, values in KINDS.items()}


def pooled_settings(judged: Sequence[Judged]) -> tuple[list[Setting], list[str]]:
    """The settings in the order given, and notes about runs that look the same."""
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        groups.setdefault(json.dumps(_identity(one.run), sort_keys=True), []).append(one)
    settings: list[Setting] = []
    notes: list[str] = []
    for runs in groups.values():
        seeds = [one.run.results.seed for one in runs]
        is_pooled = len(set(seeds)) == len(seeds)
        if not is_pooled:
            same = ", ".join(one.name for one in runs)
            notes.append(f"{same}: these have the same settings, and some the same seed; each stands for itself")
        for part in [runs] if is_pooled else [[one] for one in runs]:
            pooled = {kind: _pooled([one.cells[kind] for one in part]) for kind in KINDS}
            settings.append(Setting(_shared_name(part), _identity(part[0].run), part, pooled))
    names = [setting.name for setting in settings]
    return [one if names.count(one.name) == 1 else one._replace(name=_all_names(one.runs)) for one in settings], notes


def _identity(run: Run) -> dict[str, Any]:
    """All that decides a run's results but its seed."""
    engines = {f"{role} (fingerprint)": found for role, found in run.manifest["engines"].items()}
    settings = {name: value for name, value in run.settings.items() if name != "seed"}
    return {**settings, **engines, "prompt_version": run.manifest["prompt_version"], "commit": run.manifest["commit"]}


def _shared_name(runs: Sequence[Judged]) -> str:
    """The run's name; of several what their names begin with."""
    if len(runs) == 1:
        return runs[0].name
    return os.path.commonprefix([one.name for one in runs]).rstrip("-_. ") or _all_names(runs)


def _all_names(runs: Sequence[Judged]) -> str:
    return " + ".join(one.name for one in runs)


def _pooled(tables: Sequence[Cells]) -> Cells:
    """The mean over seeds of each user's measures; only users with an error in all of them."""
    if len(tables) == 1:
        return tables[0]
    return {key: _mean_cell([table[key] for table in tables]) for key in tables[0] if all(key in t for t in tables)}


def _mean_cell(cells: Sequence[Cell]) -> Cell:
    users = np.array(sorted(set(cells[0].users).intersection(*(cell.users for cell in cells[1:]))), object)
    places = [[{user: i for i, user in enumerate(cell.users)}[user] for user in users] for cell in cells]
    rows = list(zip(cells, places, strict=True))
    return Cell(
        users=users,
        measures={name: np.mean([cell.measures[name][place] for cell, place in rows], axis=0) for name in MEASURES},
        ratings=cells[0].ratings,
        search_n=cells[0].search_n,
        origin={name: frozenset[str]().union(*(cell.origin[name] for cell in cells)) for name in cells[0].origin},
    )


def described(setting: Setting, settings: Sequence[Setting]) -> ComparedSetting:
    """What a setting is, and in which settings it differs from the others."""
    every = [one.identity for one in settings]
    known = dict.fromkeys(name for other in every for name in other)
    names = [name for name in known if any(other.get(name) != every[0].get(name) for other in every)]
    return ComparedSetting(
        name=setting.name,
        runs=[str(one.run.folder) for one in setting.runs],
        seeds=[one.run.results.seed for one in setting.runs],
        engines=[setting.identity["policy_engine"], setting.identity["predictor_engine"]],
        differs={name: setting.identity.get(name) for name in names},
    )
