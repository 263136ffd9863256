"""`deeper sample`: contexts of train users, and directions for each.

S_0 from W_0 ─▶ W_1 from S_0 ─▶ calibration ─▶ contexts (k = 1) ─▶ N directions each
greedy refinement S_1 from the contexts ─▶ W_2 from S_1 ─▶ contexts (k = 2) ─▶ ↑ and so on (--refinements)
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console

from deeper.behaviour.fingerprints import FINGERPRINTS, fingerprints
from deeper.behaviour.load import Loaded, load_windows
from deeper.behaviour.users import Key, Windows, choose_users
from deeper.commands.execution.engines import make_engines
from deeper.commands.execution.local_executor import LocalExecutor
from deeper.commands.execution.predictors import Readers, make_readers
from deeper.commands.execution.progress import RunProgress
from deeper.commands.sample.settings import SampleSettings
from deeper.engine import Engine
from deeper.errors import UserError, printable
from deeper.learning.preferences.contexts import contexts
from deeper.learning.preferences.directions import Sampler, sample
from deeper.learning.preferences.schema import DIRECTION
from deeper.persona.predict import PREDICT_INPUT
from deeper.persona.prompts.templates import Prompts, load_prompts
from deeper.persona.schema import PERSONA
from deeper.persona.stages import UPDATE_INPUT, initialise, update
from deeper.persona.write import Writer
from deeper.storage.provenance import provenance
from deeper.storage.run_folder import RunFolder
from deeper.storage.stage import COST, Stage

WRITE_ROWS = 40
SAMPLE_ROWS = 8
CONTEXTS, DIRECTIONS, MANIFEST = "contexts.parquet", "directions.parquet", "manifest.json"


def sample_directions(settings: SampleSettings, out: Path, console: Console) -> dict[str, Any]:
    """Sample directions, or continue where a run was interrupted.

    Args:
        settings: What to do.
        out: The run folder; it gets personas, contexts and directions as Parquet, and manifest.json.
        console: Where progress goes.

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
    engines, shares = make_readers(settings.predictor_engine, settings.predictor_adapter, prompts, list(windows))
    readers = Readers(engines, shares, prompts, loaded.domains, settings.readout, settings.calibrates, settings.seed)
    folder = RunFolder(out, settings)
    with folder.held():
        return _sample(settings, loaded, windows, prompts, policy, readers, folder, console)


def _sample(
    settings: SampleSettings,
    loaded: Loaded,
    windows: Windows,
    prompts: Prompts,
    policy: Engine,
    readers: Readers,
    folder: RunFolder,
    console: Console,
) -> dict[str, Any]:
    progress = RunProgress(console)
    used = {"policy": policy, **{f"predictor {i}": engine for i, engine in enumerate(readers.engines)}}
    executor = LocalExecutor(folder, progress, used)
    domains, seed = loaded.domains, settings.seed
    shared = {
        "engine": policy.fingerprint,
        "prompts": prompts.version,
        "max_tokens": settings.max_persona_tokens,
        "seed": seed,
        "domains": {name: repr(domain) for name, domain in sorted(domains.items())},
    }

    def run(
        name: str, function: Callable[[pa.Table], pa.Table], schema: pa.Schema, rows: int, table: pa.Table, **more: Any
    ) -> pa.Table:
        return executor.run(Stage(name, 1, function, schema, {**shared, **more}, rows), table)

    writer = Writer(policy, prompts, settings.max_persona_tokens, seed)
    first = [_first(key, windows) for key in windows]
    personas = run(
        "initialise",
        lambda table: initialise(table, writer, domains),
        PERSONA,
        WRITE_ROWS,
        pa.Table.from_pylist(first, schema=UPDATE_INPUT),
    )
    raw = readers.read(executor, "predict-0", _predict_rows(personas, windows))
    maps = readers.fit(raw, windows)
    predictions = readers.calibrate(raw, maps)
    made = contexts(personas.to_pylist(), predictions, windows)
    written, read, rounds = [personas], [predictions], [made]
    for k in range(1, settings.refinements):
        refined = run(
            f"refine-{k}", lambda table: update(table, writer, domains), PERSONA, WRITE_ROWS, _to_refine(made, windows)
        )
        predictions = readers.calibrate(readers.read(executor, f"predict-{k}", _predict_rows(refined, windows)), maps)
        made = contexts(refined.to_pylist(), predictions, windows)
        written.append(refined)
        read.append(predictions)
        rounds.append(made)
    made = pa.concat_tables(rounds)
    sampler = Sampler(policy, prompts, settings.max_persona_tokens, settings.directions, settings.temperature, seed)
    directions = run(
        "sample",
        lambda table: sample(table, sampler, domains),
        DIRECTION,
        SAMPLE_ROWS,
        made,
        directions=settings.directions,
        temperature=settings.temperature,
    )
    manifest = {
        **provenance(),
        "seed": seed,
        "config": settings.model_dump(mode="json"),
        "source": loaded.source,
        "notes": loaded.notes,
        "engines": {"policy": policy.fingerprint, "predictors": [engine.fingerprint for engine in readers.engines]},
        "prompt_version": prompts.version,
        "counts": _counts(personas.num_rows, pa.concat_tables(written), made, directions),
    }
    folder.write_table("personas.parquet", pa.concat_tables(written))
    folder.write_table("predictions.parquet", pa.concat_tables(read))
    folder.write_table(CONTEXTS, made)
    folder.write_table(DIRECTIONS, directions)
    folder.write_table("cost.parquet", pa.Table.from_pylist(executor.costs, schema=COST))
    seen = [window for listed in windows.values() for window in listed]
    folder.write_json(FINGERPRINTS, {"windows": fingerprints(seen)})
    folder.write_json(MANIFEST, manifest)
    return manifest


def _first(key: Key, windows: Windows) -> dict[str, Any]:
    """An `UPDATE_INPUT` row of `initialise`."""
    return {
        "user": key[1],
        "domain": key[0],
        "method": "initialise",
        "k": 0,
        "parent": None,
        "persona": "",
        "windows": windows[key][:1],
        "predicted": None,
    }


def _to_refine(made: pa.Table, windows: Windows) -> pa.Table:
    """The contexts behind which a window is left for another one, as `UPDATE_INPUT` rows of the greedy refinement."""
    names = ("user", "domain", "k", "parent", "persona", "windows", "predicted")
    rows = [
        {"method": "refine", **{name: row[name] for name in names}}
        for row in made.to_pylist()
        if len(windows[row["domain"], row["user"]]) > row["k"] + 2
    ]
    return pa.Table.from_pylist(rows, schema=UPDATE_INPUT)


def _predict_rows(personas: pa.Table, windows: Windows) -> pa.Table:
    """The next window of each persona, as `PREDICT_INPUT`."""
    rows = [
        {
            "persona_id": row["id"],
            "user": row["user"],
            "domain": row["domain"],
            "persona": row["text"],
            "targets": [
                {
                    "k": row["k"] + 1,
                    "titles": [item["title"] for item in windows[row["domain"], row["user"]][row["k"] + 1]],
                }
            ],
        }
        for row in personas.to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=PREDICT_INPUT)


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
