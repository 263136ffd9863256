"""`deeper sample`: make contexts of train users, and sample directions for each.

S_0 from W_0 ─▶ P_1 from S_0 ─▶ calibration ─▶ contexts with k = 1 ─▶ N directions for each
S_1, written greedily ─▶ P_2 from S_1 ─▶ contexts with k = 2 ─▶ N directions for each, and so on (--refinements)

Each updater (--methods) has a context of its own for each of these personas; the first one writes S_1, S_2, ….
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from deeper.behaviour.fingerprints import FINGERPRINTS, fingerprints
from deeper.behaviour.load import Loaded, load_windows
from deeper.behaviour.recipe import RECIPE as BEHAVIOUR_RECIPE
from deeper.behaviour.users import Windows, choose_users, key_of
from deeper.commands.execution.engines import make_engines, make_predictors
from deeper.commands.execution.joined_warnings import joined_warnings
from deeper.commands.execution.local_executor import LocalExecutor
from deeper.commands.execution.own_updaters import sampled_updaters
from deeper.commands.execution.population_knowledge import item_knowledge_notes, item_knowledge_of
from deeper.commands.execution.progress import RunProgress
from deeper.commands.execution.shared_settings import servers_of
from deeper.commands.sample.settings import SampleSettings
from deeper.engine import Engine
from deeper.errors import UserError, printable
from deeper.evaluation.failures import counted, failed_calls
from deeper.learning.preferences.contexts import contexts, gives_context
from deeper.learning.preferences.directions import Sampler, sample_stage
from deeper.learning.preferences.recipe import SAMPLE_RECIPE
from deeper.persona.calibration import UNCALIBRATED
from deeper.persona.predictors import Predictors
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.recipe import RECIPE as PERSONA_RECIPE
from deeper.persona.rounds import Loop, RoundsPlan, Row, asked_for, carried
from deeper.persona.schema import PERSONA
from deeper.persona.update_input import update_row
from deeper.persona.updaters import MODULES, Updaters, needs_short_term
from deeper.persona.write import Writer
from deeper.storage.code_hash import own_hash
from deeper.storage.layout import (
    CONTEXTS_FILE,
    COST_FILE,
    DIRECTIONS_FILE,
    MANIFEST_FILE,
    PERSONAS_FILE,
    PREDICTIONS_FILE,
)
from deeper.storage.provenance import dump_recipes, provenance
from deeper.storage.run_folder import RunFolder
from deeper.storage.stage import COST, PlannedStage


def sample_directions(
    settings: SampleSettings, out: Path, console: Console, *, reuse_shards: bool = False
) -> dict[str, Any]:
    """Sample directions, or continue an interrupted run. Calls to a server that failed are made again.

    Args:
        settings: The settings.
        out: The run folder. It gets personas, contexts and directions as Parquet, and manifest.json.
        console: Shows progress.
        reuse_shards: Keep shards that older code wrote.

    Returns:
        The content of `manifest.json`.

    Raises:
        UserError: The data, the settings, an engine or the folder do not allow it.
    """
    prompts = load_prompts(settings.prompts, settings.evidence)
    updaters = sampled_updaters(settings.methods, settings.updater)
    loaded = load_windows(settings.data, settings.domains or None, settings.items)
    windows = choose_users(loaded.windows, settings.parts, settings.users)
    if not windows:
        raise UserError(
            f"there is no train user of part {', '.join(settings.parts)} with three windows",
            where=settings.data,
            do="choose other parts, or data with train users",
        )
    train = loaded.windows.filter(pc.field("split") == "train")
    known = item_knowledge_notes(
        settings.item_knowledge,
        train,
        dict.fromkeys(domain for domain, _ in windows),
        settings.predictor_engine,
        settings.predictor_adapter,
    )
    for note in [*loaded.notes, *known]:
        console.print(printable(f"note: {note}"), markup=False, highlight=False)
    servers = servers_of(settings)
    of_policy = (settings.policy_engine, settings.policy_adapter)
    policy = make_engines({"policy": of_policy}, prompts, settings.precision, servers)["policy"]
    predictors = make_predictors(
        settings.predictor_engine,
        settings.predictor_adapter,
        prompts,
        list(windows),
        settings.precision,
        servers["predictor"],
        domains=loaded.domains,
        readout=settings.readout,
        seed=settings.seed,
    )
    item_knowledge = item_knowledge_of(settings.item_knowledge, train, loaded.domains)
    predictors = replace(predictors, item_knowledge=item_knowledge)
    folder = RunFolder(out, settings)
    with folder.held(), joined_warnings():
        engines = {"policy": policy, **{f"predictor {i}": engine for i, engine in enumerate(predictors.engines)}}
        executor = LocalExecutor(folder, RunProgress(console), engines, reuse_shards=reuse_shards)
        return _sample(settings, loaded, windows, policy, predictors, updaters, folder, executor)


def _sample(
    settings: SampleSettings,
    loaded: Loaded,
    windows: Windows,
    policy: Engine,
    predictors: Predictors,
    updaters: Updaters,
    folder: RunFolder,
    executor: LocalExecutor,
) -> dict[str, Any]:
    prompts, seed = predictors.prompts, settings.seed
    writer = Writer(policy, prompts, settings.max_persona_tokens, seed)
    loop = Loop(executor, writer, predictors, loaded.domains, updaters)
    # A context of S_t needs two windows after W_t: the current and the future one.
    plan = RoundsPlan(settings.refinements - 1, list(updaters)[:1], windows_after=2, without_failed=True)
    is_merging = any(map(needs_short_term, updaters.values()))
    rounds = range(1, settings.refinements + 1)
    of_round = {k: sum(len(own) > k + 1 for own in windows.values()) for k in rounds}
    executor.expect(
        [
            PlannedStage("initialise", "write", len(windows)),
            *predictors.planned("predict-0", list(windows)),
            *loop.planned(plan, windows),
            *(PlannedStage(f"short-term-{k}", "write", of_round[k]) for k in rounds if is_merging and of_round[k]),
            PlannedStage("sample", "sample", sum(of_round.values()) * len(updaters)),
        ]
    )

    first = loop.initialise(windows)
    raw = loop.predict("predict-0", asked_for(((row, [1]) for row in carried(first)), windows))
    calibrator = predictors.fit(raw, windows) if settings.calibrates else UNCALIBRATED
    written, predictions = [first], [calibrator.calibrate(raw, loaded.domains)]
    for results in loop.rounds(plan, carried(first), predictions[0], windows, calibrator):
        written.append(results.personas)
        predictions.append(results.predictions)
    olds = [carried(personas.filter(pc.field("stage") == "final")) for personas in written]
    short_term = _short_term(loop, updaters, olds, windows)
    context_rows = pa.concat_tables(
        [
            contexts(old, points, recent.to_pylist(), windows, updaters, settings.future_windows)
            for old, points, recent in zip(olds, predictions, short_term, strict=True)
        ]
    )
    size, temperature = settings.max_persona_tokens, settings.temperature
    sampler = Sampler(policy, prompts, size, settings.directions, temperature, seed, updaters)
    directions = executor.run(sample_stage(sampler, loaded.domains), context_rows)

    personas, predicted = pa.concat_tables(written), pa.concat_tables(predictions)
    recent = pa.concat_tables(short_term)
    failed = failed_calls(personas, predicted, policy, predictors.engines[0])
    for what, rows in (("short-term personas", recent), ("directions", directions)):
        asked_of: list[Any] = rows["method"].to_pylist()
        failed += counted(what, asked_of, rows["failure"].to_pylist(), policy)
    own = [module for name, module in updaters.items() if name not in MODULES]
    manifest = {
        **provenance(),
        "seed": seed,
        "config": settings.model_dump(mode="json"),
        "source": loaded.source,
        "notes": loaded.notes,
        "engines": {"policy": policy.fingerprint, "predictors": [engine.fingerprint for engine in predictors.engines]},
        "prompt_version": prompts.version,
        "templates": prompts.hashes_for("policy"),
        "updater": own_hash(*own) if settings.updater else "",
        "recipes": dump_recipes(behaviour=BEHAVIOUR_RECIPE, persona=PERSONA_RECIPE, sample=SAMPLE_RECIPE),
        "reused_shards": executor.reused,
        "server_notes": executor.server_notes,
        "counts": _counts(first.num_rows, personas, context_rows, directions),
        "failed_calls": [entry.model_dump(mode="json") for entry in failed],
    }
    folder.bind()
    folder.write_table(PERSONAS_FILE, personas)
    folder.write_table(PREDICTIONS_FILE, predicted)
    folder.write_table(CONTEXTS_FILE, context_rows)
    folder.write_table(DIRECTIONS_FILE, directions)
    folder.write_table(COST_FILE, pa.Table.from_pylist(executor.costs, schema=COST))
    all_windows = [window for user_windows in windows.values() for window in user_windows]
    folder.write_json(FINGERPRINTS, {"windows": fingerprints(all_windows)})
    folder.write_json(MANIFEST_FILE, manifest)
    return manifest


def _short_term(loop: Loop, updaters: Updaters, olds: Sequence[Sequence[Row]], windows: Windows) -> list[pa.Table]:
    """For the old personas of each round, a persona of the current window alone, where an updater needs one."""
    method = next((name for name, updater in updaters.items() if needs_short_term(updater)), "")
    tables: list[pa.Table] = []
    for k, old in enumerate(olds, 1):
        keys = [key_of(row) for row in old if method and gives_context(row, windows)]
        rows = [partial(update_row, key, method, k, None, windows[key], None) for key in keys]
        tables.append(loop.short_term(f"short-term-{k}", rows) if rows else PERSONA.empty_table())
    return tables


def _counts(users: int, personas: pa.Table, context_rows: pa.Table, directions: pa.Table) -> dict[str, Any]:
    """Number of users, contexts and directions, and of failures; the latter also by method."""
    contexts_of: Counter[Any] = Counter(context_rows["k"].to_pylist())
    rows = directions.select(["method", "text", "leaks", "duplicate", "failure"]).to_pylist()
    asked: Counter[Any] = Counter(context_rows["method"].to_pylist())
    return {
        "users": users,
        "personas_failed": sum(failure != "" for failure in personas["failure"].to_pylist()),
        "contexts": context_rows.num_rows,
        "contexts_of_refinement": {str(k): contexts_of[k] for k in sorted(contexts_of)},
        "contexts_unpredicted": context_rows["predicted"].null_count,
        **_direction_counts(rows),
        "methods": {
            method: {"contexts": count, **_direction_counts([row for row in rows if row["method"] == method])}
            for method, count in asked.items()
        },
    }


def _direction_counts(rows: Sequence[Row]) -> dict[str, int]:
    return {
        "directions": len(rows),
        "failed": sum(row["failure"] != "" for row in rows),
        "duplicates": sum(row["duplicate"] for row in rows),
        "leaking": sum(bool(row["leaks"]) for row in rows),
    }
