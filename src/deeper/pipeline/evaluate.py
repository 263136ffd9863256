"""The main job: load, refine online, judge, and leave everything in the run folder."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console

from deeper.behaviour.load import load_windows
from deeper.engine import Engine
from deeper.engine.registry import make_engine
from deeper.errors import UserError
from deeper.evaluation.errors import baseline_errors, error_table
from deeper.evaluation.results import summarise
from deeper.evaluation.schema import BASELINES
from deeper.persona.calibration import Calibration
from deeper.persona.prompts import load_prompts
from deeper.pipeline.executor import COST, LocalExecutor
from deeper.pipeline.online import OnlineLoop
from deeper.pipeline.population import Population, choose_population
from deeper.pipeline.progress import RunProgress
from deeper.pipeline.provenance import provenance
from deeper.pipeline.run_folder import RunFolder
from deeper.pipeline.settings import Settings


def evaluate(settings: Settings, out: Path, console: Console) -> dict[str, Any]:
    """Run the main job, or continue it where it was interrupted.

    Args:
        settings: What to do.
        out: The run folder.
        console: Where progress goes.

    Returns:
        The content of `results.json`.

    Raises:
        UserError: The data, the settings, an engine or the folder do not allow it.
    """
    prompts = load_prompts(Path(settings.prompts) if settings.prompts else None)
    loaded = load_windows(settings.data, settings.domains or None)
    population = choose_population(loaded, settings.users, settings.calibration_users)
    possible = max((len(windows) for windows in population.eval.values()), default=0) - 2
    if possible < 0:
        raise UserError(
            "there is no eval user with two windows", where=settings.data, do="choose data or domains with eval users"
        )
    notes = list(loaded.notes)
    if possible < settings.rounds:
        notes.append(f"rounds: {possible}, since no user has windows for more")
        settings = settings.model_copy(update={"rounds": possible})
    for note in notes:
        console.print(f"note: {note}", markup=False, highlight=False)

    engines = {spec: make_engine(spec) for spec in (settings.policy_engine, settings.predictor_engine)}
    folder = RunFolder(out, settings)
    policy, predictor = engines[settings.policy_engine], engines[settings.predictor_engine]
    progress = RunProgress(console)
    executor = LocalExecutor(folder, progress, engines)
    loop = OnlineLoop(settings, executor, policy, predictor, prompts, loaded.domains)
    progress.stages = loop.stages()
    with folder.held():
        outcome = loop.run(population)

    errors = error_table(
        outcome.predictions,
        outcome.personas,
        population.table,
        loaded.domains,
        settings.rounds,
        predictor.fingerprint,
    )
    chosen = [name for name in BASELINES if name in settings.methods]
    baselines, missing = baseline_errors(population.table, loaded.domains, settings.rounds, chosen, settings.seed)
    errors = _only(pa.concat_tables([errors, baselines]), settings)
    origin = provenance()
    costs = pa.Table.from_pylist(executor.costs, schema=COST)
    results = {
        **origin,
        "seed": settings.seed,
        "config": settings.model_dump(mode="json"),
        "source": loaded.source,
        "notes": notes,
        "calibration": _described(outcome.calibration),
        **summarise(
            errors,
            outcome.personas,
            outcome.predictions,
            population.table,
            loaded.domains,
            settings.rounds,
            settings.seed,
            missing,
        ),
        "cost": _cost(costs),
    }
    folder.write_table("personas.parquet", outcome.personas)
    folder.write_table("predictions.parquet", outcome.predictions)
    folder.write_table("errors.parquet", errors)
    folder.write_table("cost.parquet", costs)
    folder.write_json("calibration.json", asdict(outcome.calibration))
    folder.write_json(
        "manifest.json", _manifest(origin, settings, population, policy, predictor, prompts.version, costs)
    )
    folder.write_json("results.json", results)
    return results


def _only(errors: pa.Table, settings: Settings) -> pa.Table:
    """The rows of the methods and roles that were asked for (S_0's windows serve the others too)."""
    keep = [
        method in settings.methods and role in settings.roles
        for method, role in zip(errors["method"].to_pylist(), errors["role"].to_pylist(), strict=True)
    ]
    return errors.filter(pa.array(keep, pa.bool_()))


def _described(calibration: Calibration) -> dict[str, Any]:
    """What readers of the results need of the maps; the maps themselves are in calibration.json."""
    maps = {**calibration.domains, **({"pooled": calibration.pooled} if calibration.pooled else {})}
    return {name: {"exponent": one.exponent, "ratings": one.ratings} for name, one in maps.items()}


def _cost(costs: pa.Table) -> dict[str, Any]:
    names = [name for name in COST.names if name not in ("stage", "shard")]
    stages: dict[str, dict[str, Any]] = {}
    for row in costs.to_pylist():
        total = stages.setdefault(row["stage"], dict.fromkeys(names, 0))
        for name in names:
            total[name] = round(total[name] + row[name], 3)
    return {"stages": stages, "total": {n: round(sum(s[n] for s in stages.values()), 3) for n in names}}


def _manifest(
    origin: dict[str, Any],
    settings: Settings,
    population: Population,
    policy: Engine,
    predictor: Engine,
    prompt_version: str,
    costs: pa.Table,
) -> dict[str, Any]:
    return {
        **origin,
        "seed": settings.seed,
        "config": json.loads(settings.model_dump_json()),
        "engines": {"policy": policy.fingerprint, "predictor": predictor.fingerprint},
        "prompt_version": prompt_version,
        "eval_users": len(population.eval),
        "calibration_users": len(population.calibration),
        "cost": _cost(costs),
    }
