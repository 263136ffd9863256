"""Compare finished runs on the windows that all of them judge, paired by user; seeds of one setting are pooled."""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from deeper.domains import Domain
from deeper.errors import UserError
from deeper.evaluation.comparison import (
    COMPARED,
    Cell,
    Cells,
    DomainGroup,
    HeldOut,
    adjusted,
    difference,
    mean_over_domains,
    paired_errors,
    with_adjusted,
)
from deeper.evaluation.methods import in_order
from deeper.evaluation.results import domain_groups
from deeper.evaluation.runs.common_windows import common_errors
from deeper.evaluation.runs.compared import ComparedDifference, ComparedEntry, Comparison
from deeper.evaluation.runs.load_run import Run, load_run
from deeper.evaluation.runs.pooled_settings import (
    KINDS,
    Judged,
    Setting,
    described,
    held_out_cells,
    names_of,
    pooled_settings,
)


class _Reference(NamedTuple):
    """What to compare with: a method of a setting, or each method with the same one (None)."""

    setting: Setting
    method: str | None


def compare_runs(runs: Sequence[str | Path | Run], reference: str = "") -> Comparison:
    """Compare finished runs by their held-out errors, paired by user.

    Runs that differ only in their seed count as one setting: a user's error is the mean over them, and `by_seed` shows
    how far they spread. Windows that not all runs judge are left out and counted.

    Args:
        runs: Run folders, or what `load_run` returned.
        reference: A run, by its folder or the folder's name: each method is compared with the same one of that run. Or
            `RUN:METHOD`: everything is compared with that method. The first run by default.

    Raises:
        UserError: A folder holds no finished run, a run is given twice, the runs judge no window in common, or there is
            no such reference.
    """
    loaded = [run if isinstance(run, Run) else load_run(run) for run in runs]
    if not loaded:
        raise UserError("there is no run to compare", do="give one or more run folders")
    names = names_of(loaded)
    errors, notes = common_errors(loaded, names)
    judged = [Judged(run, name, held_out_cells(table)) for run, name, table in zip(loaded, names, errors, strict=True)]
    settings, more = pooled_settings(judged)
    chosen = _reference(reference, settings)
    rounds = min(max(key.round for cells in one.cells.values() for key in cells) for one in judged)
    domains = _domains(judged)
    entries = [
        entry
        for group in domain_groups(domains)
        for setting in settings
        for kind in KINDS
        for method in _methods([setting.cells[kind]])
        for t in range(rounds + 1)
        if (entry := _entry(setting, chosen, group, kind, HeldOut(method, t))) is not None
    ]
    if not any(entry.difference for entry in entries):
        raise UserError(
            f"nothing has a counterpart in {chosen.setting.name}",
            where=", ".join(setting.name for setting in settings),
            do=f"name a method to compare with: {_choices(chosen.setting)}",
        )
    return Comparison(
        reference=f"{chosen.method or 'the same method'} of {chosen.setting.name}",
        rounds=rounds,
        users={domain.id: _users(errors[0], domain.id) for domain in domains},
        settings=[described(setting, settings) for setting in settings],
        entries=_corrected(entries, settings[0].name),
        notes=[*notes, *more, *_without_result(settings)],
    )


def _reference(text: str, settings: Sequence[Setting]) -> _Reference:
    """Find the reference that a user named."""
    known = {name: setting for setting in settings for name in _spellings(setting)}
    run, _, method = text.rpartition(":")
    if not text and len(settings) > 1:
        return _Reference(settings[0], None)
    if text in known:
        return _Reference(known[text], None)
    methods = _methods(known[run].cells.values()) if run in known else []
    if method in methods:
        return _Reference(known[run], method)
    first = settings[0].name
    choices = f"choose the reference {_choices(settings[0])}"
    if not text:
        raise UserError("one setting has nothing to be compared with but its own methods", where=first, do=choices)
    if run in known:
        raise UserError(f"{run} has no result of {method!r}", where="reference", do=f"choose from {', '.join(methods)}")
    some = ", ".join(setting.name for setting in settings)
    raise UserError(f"no run is called {text!r}", where="reference", do=f"choose from {some}; or {choices}")


def _choices(setting: Setting) -> str:
    return f"{setting.name}:METHOD, with one of {', '.join(_methods(setting.cells.values()))}"


def _spellings(setting: Setting) -> list[str]:
    """How a setting may be named: by its name, or by one of its runs."""
    runs = [(one.name, str(one.run.folder), one.run.name) for one in setting.runs]
    return [setting.name, *chain.from_iterable(runs)]


def _methods(tables: Iterable[Cells]) -> list[str]:
    """The methods with a held-out error, in the order of tables."""
    return in_order({key.method for cells in tables for key in cells})


def _entry(setting: Setting, reference: _Reference, group: DomainGroup, kind: str, at: HeldOut) -> ComparedEntry | None:
    """The entry of a method in a round; None if a domain has no error of it."""
    found = _errors_of(setting.cells[kind], group, at)
    if found is None:
        return None
    mae, crps, rank = (mean_over_domains(found, measure) for measure in COMPARED)
    [prediction] = found[0].origin["prediction"]
    by_seed = [_errors_of(one.cells[kind], group, at) or [] for one in setting.runs]
    return ComparedEntry(
        domain=group.name,
        setting=setting.name,
        method=at.method,
        prediction=prediction,
        round=at.round,
        mae=mae.mean,
        ci=(mae.low, mae.high),
        crps=crps.mean,
        rank_accuracy=rank.mean,
        users=sum(len(cell.users) for cell in found),
        mae_by_seed=[float(np.mean([cell.measures["mae"].mean() for cell in cells])) for cells in by_seed],
        difference=_difference(setting, reference, group, kind, at),
    )


def _errors_of(cells: Cells, group: DomainGroup, at: HeldOut) -> list[Cell] | None:
    """The cell of each domain of a group; None if one is missing or has no user."""
    found = [at.of(domain) for domain in group.domains]
    if any(key not in cells or not len(cells[key].users) for key in found):
        return None
    return [cells[key] for key in found]


def _difference(
    setting: Setting, reference: _Reference, group: DomainGroup, kind: str, at: HeldOut
) -> ComparedDifference | None:
    """The difference to the reference; None for the reference itself, and where one of both has no error."""
    other = HeldOut(reference.method or at.method, at.round)
    alone = reference.setting.cells["persona"]
    has_alone = any(key.method == other.method for key in alone)
    kind_of_other = kind if reference.method is None or not has_alone else "persona"
    if setting is reference.setting and (reference.method is None or (other, kind_of_other) == (at, kind)):
        return None
    there = reference.setting.cells[kind_of_other]
    entry = difference((setting.cells[kind], there), group, at, other)
    if entry is None:
        return None
    of_seed = {one.run.results.seed: one.cells[kind_of_other] for one in reference.setting.runs}
    tables = [(one.cells[kind], of_seed.get(one.run.results.seed, there)) for one in setting.runs]
    paired = [paired_errors(pair, group, at, other) for pair in tables]
    return ComparedDifference(
        setting=reference.setting.name,
        method=other.method,
        value=entry.difference,
        ci=entry.ci,
        p_value=entry.p_value,
        p_adjusted=None,
        improved=entry.improved,
        users=entry.users,
        by_seed=[float(np.mean([(mae - of_other).mean() for mae, of_other in one])) for one in paired if one],
        crps=entry.crps,
        rank_accuracy=entry.rank_accuracy,
    )


def _corrected(entries: Sequence[ComparedEntry], first: str) -> list[ComparedEntry]:
    """The entries with p-values that are adjusted for the number of differences in their round and domain.

    Baselines need no model, so tables show those of the first setting alone, and only they count.
    """
    tables: dict[tuple[str, int], list[int]] = {}
    for place, entry in enumerate(entries):
        if entry.difference is not None and (entry.prediction != "none" or entry.setting == first):
            tables.setdefault((entry.domain, entry.round), []).append(place)
    found = list(entries)
    for places in tables.values():
        table = [one for place in places if (one := entries[place].difference) is not None]
        mae = adjusted([one.p_value for one in table], places)
        crps = adjusted([one.crps and one.crps.p_value for one in table], places)
        rank = adjusted([one.rank_accuracy and one.rank_accuracy.p_value for one in table], places)
        for place, one, of_mae, of_crps, of_rank in zip(places, table, mae, crps, rank, strict=True):
            update = {
                "p_adjusted": of_mae,
                "crps": with_adjusted(one.crps, of_crps),
                "rank_accuracy": with_adjusted(one.rank_accuracy, of_rank),
            }
            found[place] = entries[place].model_copy(update={"difference": one.model_copy(update=update)})
    return found


def _without_result(settings: Sequence[Setting]) -> list[str]:
    """A note for each setting that has no error of a method that it chose."""
    notes: list[str] = []
    for setting in settings:
        found = _methods(setting.cells.values())
        if missing := [name for name in setting.identity["methods"] if name not in found]:
            notes.append(f"{setting.name}: no result of {', '.join(missing)}")
    return notes


def _domains(judged: Sequence[Judged]) -> list[Domain]:
    """The domains in which all runs have an error."""
    present = [{key.domain for cells in one.cells.values() for key in cells} for one in judged]
    return [domain for name, domain in judged[0].run.domains.items() if all(name in own for own in present)]


def _users(errors: pa.Table, domain: str) -> int:
    return pc.count_distinct(errors.filter(pc.field("domain") == domain)["user"]).as_py()
