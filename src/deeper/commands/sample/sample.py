"""`deeper sample`: make contexts of train users, and sample directions for each.

S_0 from W_0 ─▶ P_1 from S_0 ─▶ calibration ─▶ contexts with k = 1 ─▶ N directions for each
S_1, written greedily ─▶ P_2 from S_1 ─▶ contexts with k = 2 ─▶ N directions for each, and so on (--refinements)
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from deeper.behaviour.fingerprints import FINGERPRINTS, fingerprints
from deeper.behaviour.load import Loaded, load_windows
from deeper.behaviour.recipe import RECIPE as BEHAVIOUR_RECIPE
from deeper.behaviour.users import Windows, choose_users
from deeper.commands.execution.engines import make_engines, make_predictors
from deeper.commands.execution.joined_warnings import joined_warnings
from deeper.commands.execution.local_executor import LocalExecutor
from deeper.commands.execution.own_updaters import only_updater
from deeper.commands.execution.population_knowledge import item_knowledge_notes, item_knowledge_of
from deeper.commands.execution.progress import RunProgress
from deeper.commands.execution.shared_settings import servers_of
from deeper.commands.sample.settings import SampleSettings
from deeper.engine import Engine
from deeper.errors import UserError, printable
from deeper.evaluation.failures import counted, failed_calls
from deeper.learning.preferences.contexts import contexts
from deeper.learning.preferences.directions import Sampler, sample_stage
from deeper.learning.preferences.recipe import SAMPLE_RECIPE
from deeper.persona.calibration import UNCALIBRATED
from deeper.persona.predictors import Predictors
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.recipe import RECIPE as PERSONA_RECIPE
from deeper.persona.rounds import Loop, RoundsPlan, asked_for, carried
from deeper.persona.updaters import Updaters, needs_short_term
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
    updater = only_updater(settings.updater)
    if any(map(needs_short_term, updater.values())):
        do = "sample with an updater that needs no short-term persona"
        raise UserError("a context holds no persona of one window alone", where=settings.updater, do=do)
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
        return _sample(settings, loaded, windows, policy, predictors, updater, folder, executor)


def _sample(
    settings: SampleSettings,
    loaded: Loaded,
    windows: Windows,
    policy: Engine,
    predictors: Predictors,
    updater: Updaters,
    folder: RunFolder,
    executor: LocalExecutor,
) -> dict[str, Any]:
    prompts, seed = predictors.prompts, settings.seed
    writer = Writer(policy, prompts, settings.max_persona_tokens, seed)
    loop = Loop(executor, writer, predictors, loaded.domains, updater)
    # A context of S_t needs two windows after W_t: the current and the future one.
    plan = RoundsPlan(settings.refinements - 1, list(updater), windows_after=2, without_failed=True)
    contexts_planned = sum(min(len(user_windows) - 2, settings.refinements) for user_windows in windows.values())
    executor.expect(
        [
            PlannedStage("initialise", "write", len(windows)),
            *predictors.planned("predict-0", list(windows)),
            *loop.planned(plan, windows),
            PlannedStage("sample", "sample", contexts_planned),
        ]
    )

    first = loop.initialise(windows)
    raw = loop.predict("predict-0", asked_for(((row, [1]) for row in carried(first)), windows))
    calibrator = predictors.fit(raw, windows) if settings.calibrates else UNCALIBRATED
    written, predictions = [first], [calibrator.calibrate(raw, loaded.domains)]
    for results in loop.rounds(plan, carried(first), predictions[0], windows, calibrator):
        written.append(results.personas)
        predictions.append(results.predictions)
    pairs = zip(written, predictions, strict=True)
    context_rows = pa.concat_tables([contexts(personas.to_pylist(), points, windows) for personas, points in pairs])
    [(method, module)] = updater.items()
    size, temperature = settings.max_persona_tokens, settings.temperature
    sampler = Sampler(policy, prompts, size, settings.directions, temperature, seed, module)
    directions = executor.run(sample_stage(sampler, loaded.domains), context_rows)

    personas, predicted = pa.concat_tables(written), pa.concat_tables(predictions)
    failed = [
        *failed_calls(personas, predicted, policy, predictors.engines[0]),
        *counted("directions", [method] * directions.num_rows, directions["failure"].to_pylist(), policy),
    ]
    manifest = {
        **provenance(),
        "seed": seed,
        "config": settings.model_dump(mode="json"),
        "source": loaded.source,
        "notes": loaded.notes,
        "engines": {"policy": policy.fingerprint, "predictors": [engine.fingerprint for engine in predictors.engines]},
        "prompt_version": prompts.version,
        "templates": prompts.hashes_for("policy"),
        "updater": own_hash(module) if settings.updater else "",
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


def _counts(users: int, personas: pa.Table, context_rows: pa.Table, directions: pa.Table) -> dict[str, Any]:
    """Number of users, contexts and directions, and of failures."""
    contexts_of: Counter[Any] = Counter(context_rows["k"].to_pylist())
    rows = directions.select(["text", "leaks", "duplicate", "failure"]).to_pylist()
    return {
        "users": users,
        "personas_failed": sum(failure != "" for failure in personas["failure"].to_pylist()),
        "contexts": context_rows.num_rows,
        "contexts_of_refinement": {str(k): contexts_of[k] for k in sorted(contexts_of)},
        "contexts_unpredicted": context_rows["predicted"].null_count,
        "directions": len(rows),
        "failed": sum(row["failure"] != "" for row in rows),
        "duplicates": sum(row["duplicate"] for row in rows),
        "leaking": sum(bool(row["leaks"]) for row in rows),
    }
