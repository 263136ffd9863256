"""The main job: load, refine online, judge, and leave everything in the run folder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from deeper.behaviour.fingerprints import FINGERPRINTS, fingerprints
from deeper.behaviour.load import Loaded, load_windows
from deeper.domains import Domain
from deeper.engine import Engine
from deeper.engine.adapter import load_adapter
from deeper.errors import UserError, printable
from deeper.evaluation.errors import baseline_errors, error_table
from deeper.evaluation.results import summarise
from deeper.evaluation.schema import BASELINES, HISTORY_ONLY
from deeper.learning.contexts import Key
from deeper.learning.splits import user_hash
from deeper.persona.calibration import Calibration
from deeper.persona.history import History, fit_history, with_history
from deeper.persona.prompts import Prompts, load_prompts
from deeper.pipeline.engines import make_engines
from deeper.pipeline.executor import COST, LocalExecutor
from deeper.pipeline.online import OnlineLoop, Outcome
from deeper.pipeline.population import Population, choose_population, on_validation
from deeper.pipeline.progress import RunProgress
from deeper.pipeline.provenance import provenance
from deeper.pipeline.run_folder import RunFolder
from deeper.pipeline.settings import Settings

SEALED = ("results.json", "personas.parquet", "predictions.parquet", "errors.parquet", "windows.parquet")
"""What a report is made of; the manifest, written last, tells whether these files are as the run has left them."""


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
    if settings.split == "validation":
        loaded = on_validation(loaded)
    read_before = _trained_on(settings.predictor_engine, settings.predictor_adapter)
    population = choose_population(loaded, settings.users, settings.calibration_users, read_before)
    _check_unseen(list(population.eval), settings)
    possible = max((len(windows) for windows in population.eval.values()), default=0) - 2
    if possible < 0:
        raise UserError(
            f"there is no {settings.split} user with two windows",
            where=settings.data,
            do=f"choose data or domains with {settings.split} users",
        )
    notes = list(loaded.notes)
    if possible < settings.rounds:
        notes.append(f"rounds: {possible}, since no user has windows for more")
        settings = settings.model_copy(update={"rounds": possible})
    _show(notes, console)
    engines = make_engines(
        {
            "policy": (settings.policy_engine, settings.policy_adapter),
            "predictor": (settings.predictor_engine, settings.predictor_adapter),
        },
        prompts,
    )
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
    policy, predictor = engines["policy"], engines["predictor"]
    progress = RunProgress(console)
    executor = LocalExecutor(folder, progress, engines)
    loop = OnlineLoop(settings, executor, policy, predictor, prompts, loaded.domains)
    progress.stages = loop.stages()
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


def _trained_on(engine: str, adapter: str) -> frozenset[str]:
    """Hashes of the users that an adapter was trained on; of one on a server, or without a card, nothing is known."""
    if not adapter or engine.startswith("openai:"):
        return frozenset()
    return load_adapter(Path(adapter), needs_card=False).users


def _check_unseen(judged: Iterable[Key], settings: Settings) -> None:
    """Refuse to judge users whose ratings an adapter has learnt."""
    for role, engine, adapter in (
        ("policy", settings.policy_engine, settings.policy_adapter),
        ("predictor", settings.predictor_engine, settings.predictor_adapter),
    ):
        seen = _trained_on(engine, adapter)
        if count := sum(user_hash(*key) in seen for key in judged):
            raise UserError(
                f"the {role}'s adapter was trained on {count} of the users to be judged",
                where=adapter,
                do="judge others, or train again without them",
            )


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
    if settings.calibration == "on" and outcome.calibration.pooled is None:
        notes.append("calibration: off, since there is no train user's prediction to fit it on")
    if history is not None and history.alone.pooled is None:
        notes.append("prediction: persona only, since there is no train user's prediction to fit the history on")
    return notes


def _described(calibration: Calibration) -> dict[str, Any]:
    """What readers of the results need of the maps; the maps themselves are in calibration.json."""
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
