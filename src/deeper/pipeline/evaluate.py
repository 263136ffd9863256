"""The main job: load, refine online, judge, and leave everything in the run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console

from deeper.behaviour.load import Loaded, load_windows
from deeper.engine import Engine
from deeper.engine.registry import make_engine
from deeper.errors import UserError, printable
from deeper.evaluation.errors import baseline_errors, error_table
from deeper.evaluation.results import summarise
from deeper.evaluation.schema import BASELINES
from deeper.persona.calibration import Calibration
from deeper.persona.prompts import Prompts, load_prompts
from deeper.pipeline.executor import COST, LocalExecutor
from deeper.pipeline.online import OnlineLoop, Outcome
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
    _show(notes, console)
    engines = {spec: make_engine(spec) for spec in (settings.policy_engine, settings.predictor_engine)}
    folder = RunFolder(out, settings)
    with folder.held():
        return _evaluate(settings, loaded, population, notes, prompts, engines, folder, console)


def _evaluate(
    settings: Settings,
    loaded: Loaded,
    population: Population,
    notes: list[str],
    prompts: Prompts,
    engines: Mapping[str, Engine],
    folder: RunFolder,
    console: Console,
) -> dict[str, Any]:
    policy, predictor = engines[settings.policy_engine], engines[settings.predictor_engine]
    progress = RunProgress(console)
    executor = LocalExecutor(folder, progress, engines)
    loop = OnlineLoop(settings, executor, policy, predictor, prompts, loaded.domains)
    progress.stages = loop.stages()
    outcome = loop.run(population)
    after = _calibration_notes(settings, outcome)
    _show(after, console)

    domains, rounds, seed = loaded.domains, settings.rounds, settings.seed
    errors = error_table(
        outcome.predictions,
        outcome.personas,
        population.table,
        domains,
        rounds,
        predictor.fingerprint,
        settings.methods,
        settings.roles,
    )
    chosen = [name for name in BASELINES if name in settings.methods]
    baselines, missing = baseline_errors(population.table, domains, rounds, chosen, seed)
    errors = pa.concat_tables([errors, baselines])
    costs = pa.Table.from_pylist(executor.costs, schema=COST)
    origin = {**provenance(), "seed": seed, "config": settings.model_dump(mode="json")}
    results = {
        **origin,
        "source": loaded.source,
        "notes": notes + after,
        "calibration": _described(outcome.calibration),
        **summarise(errors, outcome.personas, outcome.predictions, population.table, domains, rounds, seed, missing),
        "cost": _cost(costs),
    }
    manifest = {
        **origin,
        "engines": {"policy": policy.fingerprint, "predictor": predictor.fingerprint},
        "prompt_version": prompts.version,
        "eval_users": len(population.eval),
        "calibration_users": len(population.calibration),
        "cost": _cost(costs),
    }
    folder.write_table("personas.parquet", outcome.personas)
    folder.write_table("predictions.parquet", outcome.predictions)
    folder.write_table("errors.parquet", errors)
    folder.write_table("cost.parquet", costs)
    folder.write_json("calibration.json", asdict(outcome.calibration))
    folder.write_json("manifest.json", manifest)
    folder.write_json("results.json", results)
    return results


def _show(notes: Sequence[str], console: Console) -> None:
    for note in notes:
        console.print(printable(f"note: {note}"), markup=False, highlight=False)


def _calibration_notes(settings: Settings, outcome: Outcome) -> list[str]:
    """What readers must know when the calibration is not what was asked for."""
    notes: list[str] = []
    if outcome.unread:
        notes.append(f"predictions of calibration users that failed, and so are in no map: {outcome.unread}")
    if settings.calibration == "on" and outcome.calibration.pooled is None:
        notes.append("calibration: off, since there is no train user's prediction to fit it on")
    return notes


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
