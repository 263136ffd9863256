"""`deeper sample`: contexts of train users, and directions for each.

S_0 from W_0 ─▶ W_1 from S_0 ─▶ calibration ─▶ contexts (k = 1) ─▶ N directions each
greedy refinement S_1 from the contexts ─▶ W_2 from S_1 ─▶ contexts (k = 2) ─▶ ↑ and so on (--refinements)
"""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console

from deeper.behaviour.fingerprints import FINGERPRINTS, fingerprints
from deeper.behaviour.load import Loaded, load_windows
from deeper.behaviour.users import Windows, choose_users
from deeper.commands.execution.engines import make_engines, make_predictors
from deeper.commands.execution.local_executor import LocalExecutor
from deeper.commands.execution.progress import RunProgress
from deeper.commands.sample.settings import SampleSettings
from deeper.engine import Engine
from deeper.errors import UserError, printable
from deeper.learning.preferences.contexts import contexts
from deeper.learning.preferences.directions import Sampler, sample_stage
from deeper.persona.calibration import UNCALIBRATED
from deeper.persona.predictors import Predictors
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.recipe import RECIPE
from deeper.persona.rounds import Loop, Plan, asked_for, carried
from deeper.persona.write import Writer
from deeper.storage.layout import CONTEXTS, DIRECTIONS, MANIFEST, PERSONAS, PREDICTIONS
from deeper.storage.layout import COST as COST_TABLE
from deeper.storage.provenance import provenance
from deeper.storage.run_folder import RunFolder
from deeper.storage.stage import COST, PlannedStage


def sample_directions(
    settings: SampleSettings, out: Path, console: Console, *, reuse_shards: bool = False
) -> dict[str, Any]:
    """Sample directions, or continue where a run was interrupted.

    Args:
        settings: What to do.
        out: The run folder; it gets personas, contexts and directions as Parquet, and manifest.json.
        console: Where progress goes.
        reuse_shards: Keep what is there although the code that made it has changed since.

    Returns:
        The content of `manifest.json`.

    Raises:
        UserError: The data, the settings, an engine or the folder do not allow it.
    """
    prompts = load_prompts(Path(settings.prompts) if settings.prompts else None)
    loaded = load_windows(settings.data, settings.domains or None)
    windows = choose_users(loaded.windows, settings.parts, settings.users)
    if not windows:
        raise UserError(
            f"there is no train user of part {', '.join(settings.parts)} with three windows",
            where=settings.data,
            do="choose data with train users, or other parts",
        )
    for note in loaded.notes:
        console.print(printable(f"note: {note}"), markup=False, highlight=False)
    policy = make_engines({"policy": (settings.policy_engine, settings.policy_adapter)}, prompts)["policy"]
    predictors = make_predictors(
        settings.predictor_engine,
        settings.predictor_adapter,
        prompts,
        list(windows),
        domains=loaded.domains,
        readout=settings.readout,
        seed=settings.seed,
    )
    folder = RunFolder(out, settings)
    with folder.held():
        engines = {"policy": policy, **{f"predictor {i}": one for i, one in enumerate(predictors.engines)}}
        executor = LocalExecutor(folder, RunProgress(console), engines, reuse_shards=reuse_shards)
        return _sample(settings, loaded, windows, policy, predictors, folder, executor)


def _sample(
    settings: SampleSettings,
    loaded: Loaded,
    windows: Windows,
    policy: Engine,
    predictors: Predictors,
    folder: RunFolder,
    executor: LocalExecutor,
) -> dict[str, Any]:
    prompts, seed = predictors.prompts, settings.seed
    loop = Loop(executor, Writer(policy, prompts, settings.max_persona_tokens, seed), predictors, loaded.domains)
    # S_k of the last refinement has a current and a future window, and so needs two behind the one that it has read.
    plan = Plan(settings.refinements - 1, ["refine"], windows_after=2, without_failed=True)
    contexts_planned = sum(min(len(own) - 2, settings.refinements) for own in windows.values())
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
    for one in loop.rounds(plan, carried(first), predictions[0], windows, calibrator):
        written.append(one.personas)
        predictions.append(one.predictions)
    pairs = zip(written, predictions, strict=True)
    made = pa.concat_tables([contexts(personas.to_pylist(), read, windows) for personas, read in pairs])
    sampler = Sampler(policy, prompts, settings.max_persona_tokens, settings.directions, settings.temperature, seed)
    directions = executor.run(sample_stage(sampler, loaded.domains), made)

    manifest = {
        **provenance(),
        "seed": seed,
        "config": settings.model_dump(mode="json"),
        "source": loaded.source,
        "notes": loaded.notes,
        "engines": {"policy": policy.fingerprint, "predictors": [engine.fingerprint for engine in predictors.engines]},
        "prompt_version": prompts.version,
        "templates": prompts.hashes_for("policy"),
        "recipes": {"persona": asdict(RECIPE)},
        "reused_shards": executor.reused,
        "counts": _counts(first.num_rows, pa.concat_tables(written), made, directions),
    }
    folder.write_table(PERSONAS, pa.concat_tables(written))
    folder.write_table(PREDICTIONS, pa.concat_tables(predictions))
    folder.write_table(CONTEXTS, made)
    folder.write_table(DIRECTIONS, directions)
    folder.write_table(COST_TABLE, pa.Table.from_pylist(executor.costs, schema=COST))
    seen = [window for listed in windows.values() for window in listed]
    folder.write_json(FINGERPRINTS, {"windows": fingerprints(seen)})
    folder.write_json(MANIFEST, manifest)
    return manifest


def _counts(users: int, personas: pa.Table, made: pa.Table, directions: pa.Table) -> dict[str, Any]:
    """What was made, and what went wrong."""
    of_each: Counter[Any] = Counter(made["k"].to_pylist())
    rows = directions.select(["text", "leaks", "duplicate", "failure"]).to_pylist()
    return {
        "users": users,
        "personas_failed": sum(failure != "" for failure in personas["failure"].to_pylist()),
        "contexts": made.num_rows,
        "contexts_of_refinement": {str(k): of_each[k] for k in sorted(of_each)},
        "contexts_unpredicted": made["predicted"].null_count,
        "directions": len(rows),
        "failed": sum(row["failure"] != "" for row in rows),
        "duplicates": sum(row["duplicate"] for row in rows),
        "leaking": sum(bool(row["leaks"]) for row in rows),
    }
