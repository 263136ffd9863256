"""The main job: load, refine online, judge, and leave everything in the run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from deeper.behaviour.fingerprints import FINGERPRINTS, fingerprints
from deeper.commands.evaluate.online import OnlineLoop, Outcome
from deeper.commands.evaluate.plan import Plan, make_plan
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.local_executor import LocalExecutor
from deeper.commands.execution.population import Population
from deeper.commands.execution.progress import RunProgress
from deeper.domains import Domain
from deeper.engine import Engine
from deeper.errors import printable
from deeper.evaluation.error_table import baseline_errors, error_table
from deeper.evaluation.results import summarise
from deeper.evaluation.schema import BASELINES, HISTORY_ONLY
from deeper.persona.calibration import Calibration
from deeper.persona.cross_fit import CrossFit
from deeper.persona.history import History, fit_history, with_history
from deeper.storage.provenance import provenance
from deeper.storage.run_folder import RunFolder
from deeper.storage.stage import COST, PlannedStage

SEALED = ("results.json", "personas.parquet", "predictions.parquet", "errors.parquet", "windows.parquet")
"""What a report is made of; the manifest, written last, tells whether these files are as the run has left them."""


def evaluate(settings: Settings, out: Path, console: Console, plan: Plan | None = None) -> dict[str, Any]:
    """Run the main job, or continue it where it was interrupted.

    Args:
        settings: What to do.
        out: The run folder.
        console: Where progress goes.
        plan: What `make_plan` gave for these settings, if it was made before.

    Returns:
        The content of `results.json`.

    Raises:
        UserError: The data, the settings, an engine or the folder do not allow it.
    """
    plan = plan or make_plan(settings)
    _show(plan.notes, console)
    folder = RunFolder(out, plan.settings)
    with folder.held():
        return _evaluate(plan, folder, console)


def _evaluate(plan: Plan, folder: RunFolder, console: Console) -> dict[str, Any]:
    settings, loaded, population, notes, prompts = plan.settings, plan.loaded, plan.population, plan.notes, plan.prompts
    policy, predictor = plan.engines["policy"], plan.engines["predictor"]
    progress = RunProgress(console)
    executor = LocalExecutor(folder, progress, plan.engines)
    loop = OnlineLoop(settings, executor, policy, predictor, prompts, loaded.domains)
    progress.expect([PlannedStage("", "", 0)] * loop.stages(population))  # counts alone: rows are not known yet
    outcome = loop.run(population)
    domains, rounds, seed = loaded.domains, settings.rounds, settings.seed
    history = combined = None
    if settings.prediction == "history":
        history = fit_history(outcome.fitting, population.calibration, domains)
        combined = with_history(outcome.predictions, outcome.personas, population.eval, history, domains)
        folder.write_json("history.json", asdict(history))
        folder.write_table("history.parquet", combined)
    after = _calibration_notes(settings, outcome, history)
    _show(after, console)

    chosen = [name for name in BASELINES if name in settings.methods]
    baselines, missing = baseline_errors(population.table, domains, rounds, chosen, seed)
    by_model = _errors_by_model(settings, outcome, combined, population, domains, predictor)
    errors = pa.concat_tables([*by_model, baselines])
    costs = pa.Table.from_pylist(executor.costs, schema=COST)
    origin = {**provenance(), "seed": seed, "config": settings.model_dump(mode="json")}
    results = {
        **origin,
        "source": loaded.source,
        "notes": notes + after,
        "calibration": _described(outcome.calibration),
        "history": _history(history, domains),
        **summarise(errors, outcome.personas, outcome.predictions, population.table, domains, rounds, seed, missing),
        "cost": _cost(costs),
    }
    manifest = {
        **origin,
        "engines": {"policy": policy.fingerprint, "predictor": predictor.fingerprint},
        "prompt_version": prompts.version,
        "domains": {name: asdict(domain) for name, domain in domains.items()},
        "eval_users": len(population.eval),
        "calibration_users": len(population.calibration),
        "cost": _cost(costs),
    }
    folder.write_table("personas.parquet", outcome.personas)
    folder.write_table("predictions.parquet", outcome.predictions)
    folder.write_table("errors.parquet", errors)
    folder.write_table("windows.parquet", _judged_windows(population, rounds))
    if settings.search_n:
        folder.write_table("search.parquet", outcome.search)
    folder.write_table("cost.parquet", costs)
    folder.write_json("calibration.json", asdict(outcome.calibration))
    chosen_on = [population.calibration, *([population.eval] if settings.split == "validation" else [])]
    seen = [window for people in chosen_on for windows in people.values() for window in windows]
    folder.write_json(FINGERPRINTS, {"windows": fingerprints(seen)})
    folder.write_json("results.json", results)
    sealed = [*SEALED, *(["search.parquet"] if settings.search_n else [])]
    folder.seal("manifest.json", manifest, sealed)
    return results


def _judged_windows(population: Population, rounds: int) -> pa.Table:
    """What eval users did in the windows that the run has read or predicted: with it, a run can be looked at alone."""
    return population.table.filter((pc.field("split") == "eval") & (pc.field("k") <= rounds + 1))


def _errors_by_model(
    settings: Settings,
    outcome: Outcome,
    combined: pa.Table | None,
    population: Population,
    domains: Mapping[str, Domain],
    predictor: Engine,
) -> list[pa.Table]:
    """Errors of personas and controls, and of their predictions with history where there are any."""
    judge = partial(
        error_table,
        personas=outcome.personas,
        windows=population.table,
        domains=domains,
        rounds=settings.rounds,
        predictor=predictor.fingerprint,
        search_n=settings.search_n,
    )
    tables = [judge(outcome.predictions, methods=settings.methods, roles=settings.roles)]
    if combined is not None:
        methods = (*settings.methods, HISTORY_ONLY)
        tables.append(judge(combined, methods=methods, roles=("future",), prediction="history"))
    return tables


def _show(notes: Sequence[str], console: Console) -> None:
    for note in notes:
        console.print(printable(f"note: {note}"), markup=False, highlight=False)


def _calibration_notes(settings: Settings, outcome: Outcome, history: History | None) -> list[str]:
    """What readers must know when the calibration is not what was asked for."""
    notes: list[str] = []
    if outcome.unread:
        notes.append(f"predictions of calibration users that failed, and so are in no map: {outcome.unread}")
    maps = outcome.calibration
    is_apart = isinstance(maps, CrossFit)
    if settings.calibrates and all(one.pooled is None for one in (maps.folds if is_apart else [maps])):
        whose = "another" if is_apart else "a train"
        notes.append(f"calibration: off, since there is no prediction for {whose} user to fit it on")
    elif is_apart:
        notes.append("calibration: each user's is fitted on the other users that are judged")
    if history is not None and history.alone.pooled is None:
        notes.append("prediction: persona only, since there is no train user's prediction to fit the history on")
    return notes


def _described(calibration: Calibration | CrossFit) -> dict[str, Any]:
    """What readers of the results need of the maps; the maps themselves are in calibration.json."""
    if isinstance(calibration, CrossFit):
        folds = enumerate(map(_described, calibration.folds))
        return {f"{name}, fold {i}": one for i, found in folds for name, one in found.items()}
    maps = {**calibration.domains, **({"pooled": calibration.pooled} if calibration.pooled else {})}
    return {name: {"exponent": one.exponent, "ratings": one.ratings} for name, one in maps.items()}


def _history(history: History | None, domains: Mapping[str, Domain]) -> dict[str, Any]:
    """By domain what predictions with history and `history_only` use; empty without them."""
    if history is None:
        return {}
    found: dict[str, Any] = {}
    for name, domain in domains.items():
        for label, pools in (("with_persona", history.with_persona), (HISTORY_ONLY, history.alone)):
            kind, pool = pools.find(domain)
            if pool is not None:
                weights = {"history": pool.history, "persona": pool.persona}
                entry = {"fitted_on": kind, "shrinkage": pool.shrinkage, **weights, "ratings": pool.ratings}
                found.setdefault(name, {})[label] = entry
    return found


def _cost(costs: pa.Table) -> dict[str, Any]:
    names = [name for name in COST.names if name not in ("stage", "shard")]
    stages: dict[str, dict[str, Any]] = {}
    for row in costs.to_pylist():
        total = stages.setdefault(row["stage"], dict.fromkeys(names, 0))
        for name in names:
            total[name] = round(total[name] + row[name], 3)
    return {"stages": stages, "total": {n: round(sum(s[n] for s in stages.values()), 3) for n in names}}
