"""`deeper evaluate`: refine personas round after round, measure each on held-out windows, and write the files."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from deeper.behaviour.fingerprints import FINGERPRINTS, fingerprints
from deeper.behaviour.recipe import RECIPE as BEHAVIOUR_RECIPE
from deeper.commands.evaluate.evaluation_rounds import EvaluationRounds, Outcome
from deeper.commands.evaluate.plan import RunPlan, make_plan
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.joined_warnings import joined_warnings
from deeper.commands.execution.local_executor import LocalExecutor
from deeper.commands.execution.population import Population
from deeper.commands.execution.population_knowledge import item_knowledge_of
from deeper.commands.execution.progress import RunProgress
from deeper.engine import computes_in
from deeper.errors import printable
from deeper.evaluation.error_table import baseline_errors, error_table
from deeper.evaluation.failures import failed_calls
from deeper.evaluation.json_parts import EngineUsed
from deeper.evaluation.methods import BASELINES, HISTORY_ONLY
from deeper.evaluation.recipe import RECIPE as EVALUATION_RECIPE
from deeper.evaluation.results import summarise
from deeper.evaluation.results_schema import NotAvailableBaseline, Results
from deeper.evaluation.run_summary import calibration_fits, history_fits, total_cost
from deeper.measure.recipe import RECIPE as MEASURE_RECIPE
from deeper.persona.cross_fit import CrossFit
from deeper.persona.history import History, fit_history, with_history
from deeper.persona.predict import AUTO
from deeper.persona.recipe import RECIPE as PERSONA_RECIPE
from deeper.storage import layout
from deeper.storage.provenance import dump_recipes, provenance
from deeper.storage.run_folder import RunFolder
from deeper.storage.stage import COST

SEALED = (
    layout.RESULTS_FILE,
    layout.PERSONAS_FILE,
    layout.PREDICTIONS_FILE,
    layout.ERRORS_FILE,
    layout.WINDOWS_FILE,
    layout.COST_FILE,
)
"""The files that `load_run` reads. The manifest, written last, records their digests."""


@dataclass(frozen=True)
class _Combined:
    """Predictions with history.

    Attributes:
        history: The fitted weights.
        predictions: PREDICTION rows of eval users.
    """

    history: History
    predictions: pa.Table


@dataclass(frozen=True)
class _Errors:
    """ERROR rows, and the baselines that could not be computed."""

    table: pa.Table
    not_available: list[NotAvailableBaseline]


def evaluate(
    settings: Settings, out: Path, console: Console, plan: RunPlan | None = None, *, reuse_shards: bool = False
) -> Results:
    """Run an evaluation, or continue it where it was interrupted. Calls to a server that failed are made again.

    Args:
        settings: The settings.
        out: The run folder.
        console: Shows progress and notes.
        plan: The plan that `make_plan` made for these settings, if there is one.
        reuse_shards: Keep shards that older code wrote.

    Returns:
        The content of `results.json`. Its `is_complete` is false if calls failed and a method has no result.

    Raises:
        UserError: The data, the settings, an engine or the folder do not allow it.
    """
    plan = plan or make_plan(settings)
    _show(plan.notes, console)
    folder = RunFolder(out, plan.settings)
    with folder.held(), joined_warnings():
        return _evaluate(plan, folder, console, reuse_shards)


def _evaluate(plan: RunPlan, folder: RunFolder, console: Console, reuse_shards: bool) -> Results:
    executor = LocalExecutor(folder, RunProgress(console), plan.engines, reuse_shards=reuse_shards)
    outcome = _outcome(plan, executor)
    costs = pa.Table.from_pylist(executor.costs, schema=COST)
    combined = _combined(plan, outcome)
    notes = _calibration_notes(plan.settings, outcome, combined)
    _show(notes, console)
    errors = _errors(plan, outcome, combined)
    notes = [*plan.notes, *notes, *_readout_notes(plan, outcome), *executor.server_notes]
    results = _results(plan, outcome, combined, errors, costs, notes)
    _write_tables(plan, outcome, combined, errors, costs, folder)
    folder.write_json(layout.RESULTS_FILE, results.as_json())
    more = {layout.SEARCH_FILE: plan.settings.search_n, layout.HISTORY_PREDICTIONS_FILE: combined}
    sealed = [*SEALED, *(name for name, is_written in more.items() if is_written)]
    folder.seal(layout.MANIFEST_FILE, _manifest(plan, results, executor), sealed)
    return results


def _outcome(plan: RunPlan, executor: LocalExecutor) -> Outcome:
    """The personas and predictions of all rounds: every call of an engine happens here."""
    rounds = EvaluationRounds(plan.settings, plan.loop(executor), plan.population)
    executor.expect(rounds.stages())
    return rounds.run()


def _combined(plan: RunPlan, outcome: Outcome) -> _Combined | None:
    """The predictions combined with the users' own ratings; None if the run does not ask for them."""
    if plan.settings.prediction != "history":
        return None
    domains, population = plan.loaded.domains, plan.population
    history = fit_history(outcome.fitting, population.calibration, domains)
    return _Combined(history, with_history(outcome.predictions, outcome.personas, population.eval, history, domains))


def _errors(plan: RunPlan, outcome: Outcome, combined: _Combined | None) -> _Errors:
    """The errors of personas and controls, of their predictions with history, and of baselines."""
    settings, domains, windows = plan.settings, plan.loaded.domains, plan.population.table
    by_model = partial(
        error_table,
        personas=outcome.personas,
        windows=windows,
        domains=domains,
        rounds=settings.rounds,
        predictor=plan.engines["predictor"].fingerprint,
        search_n=settings.search_n,
    )
    tables = [by_model(outcome.predictions, methods=settings.methods, roles=settings.roles)]
    if combined is not None:
        methods = (*settings.methods, HISTORY_ONLY)
        tables.append(by_model(combined.predictions, methods=methods, roles=("future",), prediction="history"))
    chosen = [name for name in BASELINES if name in settings.methods]
    baselines, not_available = baseline_errors(windows, domains, settings.rounds, chosen, settings.seed)
    return _Errors(pa.concat_tables([*tables, baselines]), not_available)


def _results(
    plan: RunPlan, outcome: Outcome, combined: _Combined | None, errors: _Errors, costs: pa.Table, notes: list[str]
) -> Results:
    settings, domains, engines = plan.settings, plan.loaded.domains, plan.engines
    summary = summarise(
        errors.table,
        outcome.personas,
        outcome.predictions,
        plan.population.table,
        domains,
        settings.rounds,
        errors.not_available,
        settings.methods,
        settings.roles,
        item_knowledge_of(settings.item_knowledge, plan.population.table, domains),
    )
    return Results(
        **provenance(),
        **dict(summary),
        engines={
            role: EngineUsed(fingerprint=e.fingerprint, computes_in=computes_in(e)) for role, e in engines.items()
        },
        seed=settings.seed,
        config=settings.model_dump(mode="json"),
        source=plan.loaded.source,
        notes=notes,
        calibration=calibration_fits(outcome.calibration),
        history=history_fits(combined.history if combined else None, domains),
        failed_calls=failed_calls(outcome.personas, outcome.predictions, engines["policy"], engines["predictor"]),
        cost=total_cost(costs),
    )


def _manifest(plan: RunPlan, results: Results, executor: LocalExecutor) -> dict[str, Any]:
    return {
        "commit": results.commit,
        "versions": results.versions,
        "machine": results.machine,
        "seed": results.seed,
        "config": results.config,
        "engines": {role: engine.fingerprint for role, engine in results.engines.items()},
        "prompt_version": plan.prompts.version,
        "recipes": dump_recipes(
            behaviour=BEHAVIOUR_RECIPE, persona=PERSONA_RECIPE, evaluation=EVALUATION_RECIPE, measure=MEASURE_RECIPE
        ),
        "reused_shards": executor.reused,
        "server_notes": executor.server_notes,
        "domains": {name: asdict(domain) for name, domain in plan.loaded.domains.items()},
        "eval_users": len(plan.population.eval),
        "calibration_users": len(plan.population.calibration),
        "cost": results.cost.model_dump(mode="json"),
    }


def _write_tables(
    plan: RunPlan, outcome: Outcome, combined: _Combined | None, errors: _Errors, costs: pa.Table, folder: RunFolder
) -> None:
    """Write everything but the results and the manifest."""
    folder.bind()
    folder.write_table(layout.PERSONAS_FILE, outcome.personas)
    folder.write_table(layout.PREDICTIONS_FILE, outcome.predictions)
    folder.write_table(layout.ERRORS_FILE, errors.table)
    folder.write_table(layout.WINDOWS_FILE, _evaluated_windows(plan.population, plan.settings.rounds))
    folder.write_table(layout.COST_FILE, costs)
    folder.write_json(layout.CALIBRATION_FILE, asdict(outcome.calibration))
    if plan.settings.search_n:
        folder.write_table(layout.SEARCH_FILE, outcome.search)
    if combined is not None:
        folder.write_json(layout.HISTORY_FILE, asdict(combined.history))
        folder.write_table(layout.HISTORY_PREDICTIONS_FILE, combined.predictions)
    chosen_on = [plan.population.calibration]
    if plan.settings.split == "validation":
        chosen_on.append(plan.population.eval)
    windows = [window for users in chosen_on for own in users.values() for window in own]
    folder.write_json(FINGERPRINTS, {"windows": fingerprints(windows)})


def _evaluated_windows(population: Population, rounds: int) -> pa.Table:
    """The windows of eval users that the run has read or predicted, so that a report needs no other data."""
    return population.table.filter((pc.field("split") == "eval") & (pc.field("k") <= rounds + 1))


def _show(notes: Sequence[str], console: Console) -> None:
    for note in notes:
        console.print(printable(f"note: {note}"), markup=False, highlight=False)


def _readout_notes(plan: RunPlan, outcome: Outcome) -> list[str]:
    """A note about predictions that were read in another way than the settings would like best."""
    fell_back = plan.settings.readout == AUTO and "structured" in outcome.predictions["readout"].to_pylist()
    return ["readout: structured, since the predictor gives no log-probabilities"] if fell_back else []


def _calibration_notes(settings: Settings, outcome: Outcome, combined: _Combined | None) -> list[str]:
    """Notes about a calibration or a history that is not what the settings ask for."""
    notes: list[str] = []
    if outcome.unread:
        notes.append(f"predictions of calibration users that failed, and so are in no map: {outcome.unread}")
    maps = outcome.calibration
    is_cross_fit = isinstance(maps, CrossFit)
    if settings.calibrates and all(fold.pooled is None for fold in (maps.folds if is_cross_fit else [maps])):
        whose = "another" if is_cross_fit else "a train"
        notes.append(f"calibration: off, since there is no prediction for {whose} user to fit it on")
    elif is_cross_fit:
        notes.append("calibration: each user's is fitted on the other users that are judged")
    if combined is not None and combined.history.alone.pooled is None:
        notes.append("prediction: persona only, since there is no train user's prediction to fit the history on")
    return notes
