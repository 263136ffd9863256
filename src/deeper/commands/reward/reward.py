"""`deeper reward`: rewards of a run's directions, and whether they are real.

old personas ─▶ three windows ─▶ calibration ─▶ rewards ─▶ reality
distinct texts, and the old personas once more ─▶ three windows ─▶ ↑
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console

from deeper.behaviour.load import load_windows
from deeper.behaviour.planted.plant import TRUTH
from deeper.behaviour.users import Windows
from deeper.commands.evaluate.settings import is_calibrated
from deeper.commands.execution.local_executor import LocalExecutor
from deeper.commands.execution.predictors import Readers, make_readers
from deeper.commands.execution.progress import RunProgress
from deeper.commands.reward import layout
from deeper.commands.sample.sample import CONTEXTS, DIRECTIONS, MANIFEST
from deeper.commands.sample.settings import RewardSettings, SampleSettings
from deeper.errors import UserError
from deeper.learning.preferences.gains import MEASURES, Gains, gains, reward_windows, window_means
from deeper.learning.preferences.reality import measure_reality
from deeper.learning.preferences.reality_report import Reality
from deeper.learning.preferences.recipe import REWARD_RECIPE
from deeper.learning.preferences.rewards import candidate_rows, check_zero, old_rows, reward_table
from deeper.learning.preferences.schema import CONTEXT, DIRECTION
from deeper.persona.prompts.templates import load_prompts
from deeper.storage.parquet import read_parquet
from deeper.storage.provenance import provenance
from deeper.storage.run_folder import RunFolder
from deeper.storage.settings import resolve
from deeper.storage.stage import COST

EXAMPLES = 5


def reward_directions(settings: RewardSettings, run: Path, console: Console) -> dict[str, Any]:
    """Reward the directions of a run of `deeper sample`, or continue where it was interrupted.

    What predictors have read stays in the run folder as shards that carry a hash of all that decides them, so that
    another reward or other weights need no predictor again.

    Args:
        settings: What to do.
        run: The run folder; it gets rewards.parquet, reward-predictions.parquet and reward.json.
        console: Where progress goes.

    Returns:
        The content of `reward.json`.

    Raises:
        UserError: The folder holds no finished run, a predictor does not fit or was trained on these users, or the
            old personas do not come out at a reward of 0.
    """
    if not (run / MANIFEST).is_file() or not (run / DIRECTIONS).is_file():
        raise UserError("there is no finished run of deeper sample", where=str(run), do="run deeper sample first")
    sampled = resolve(SampleSettings, run / "config.toml", {})
    prompts = load_prompts(Path(sampled.prompts) if sampled.prompts else None)
    folder = RunFolder(run, sampled)
    contexts, directions = folder.read_table(CONTEXTS, CONTEXT), folder.read_table(DIRECTIONS, DIRECTION)
    if not contexts.num_rows:
        raise UserError("the run has no context", where=str(run), do="sample again, with an engine that answers")
    domains = load_windows(sampled.data, sampled.domains or None).domains
    keys = sorted({(row["domain"], row["user"]) for row in contexts.select(["domain", "user"]).to_pylist()})
    spec = settings.predictor_engine or sampled.predictor_engine
    adapters = settings.predictor_adapter or (() if settings.predictor_engine else sampled.predictor_adapter)
    engines, shares = make_readers(spec, adapters, prompts, keys)
    calibrates = is_calibrated(sampled.calibration, adapters)
    readers = Readers(engines, shares, prompts, domains, sampled.readout, calibrates, sampled.seed)
    with folder.held():
        return _reward(settings, sampled, contexts, directions, readers, folder, console)


def _reward(
    settings: RewardSettings,
    sampled: SampleSettings,
    contexts: pa.Table,
    directions: pa.Table,
    readers: Readers,
    folder: RunFolder,
    console: Console,
) -> dict[str, Any]:
    progress = RunProgress(console)
    progress.stages = 2 * len(readers.engines)
    executor = LocalExecutor(folder, progress, {str(i): engine for i, engine in enumerate(readers.engines)})
    domains, seed = readers.domains, sampled.seed
    old = readers.read(executor, "reward-old", old_rows(contexts))
    candidates = readers.read(executor, "reward-candidates", candidate_rows(contexts, directions))
    maps = readers.fit(_first_windows(old, contexts), _windows(contexts))
    predictions = readers.calibrate(pa.concat_tables([old, candidates]), maps)

    compared = {name: gains(contexts, directions, predictions, domains, name) for name in MEASURES}
    largest = check_zero(compared["crps"], domains)
    expected = _noise_free(Path(sampled.data), contexts)
    reality: dict[str, Reality] = {}
    for name in MEASURES:
        true = gains(contexts, directions, predictions, domains, name, expected) if expected else None
        reality[name] = measure_reality(compared[name], true, domains, settings.weights, seed)
    rewards = reward_table(directions, compared[settings.reward], settings.reward, settings.weights)
    report = {
        **provenance(),
        "seed": seed,
        "config": settings.model_dump(mode="json"),
        "sampled": sampled.model_dump(mode="json"),
        "predictors": [engine.fingerprint for engine in readers.engines],
        "users_of_predictors": [len(share) for share in readers.shares],
        "counts": _counts(contexts, directions, rewards, compared[settings.reward]),
        "old_persona_again": {"largest": largest, "tolerance": REWARD_RECIPE.rescored_tolerance},
        "min_reliability": REWARD_RECIPE.min_reliability,
        "min_users": REWARD_RECIPE.min_users,
        "trustworthy": reality[settings.reward].is_trustworthy,
        "reality": {name: found.as_json() for name, found in reality.items()},
        "examples": _examples(compared[settings.reward], np.array(settings.weights), seed),
    }
    folder.write_table(layout.REWARDS, rewards)
    folder.write_table(layout.PREDICTIONS, predictions)
    folder.write_table(layout.COST, pa.Table.from_pylist(executor.costs, schema=COST))
    folder.write_json(layout.REPORT, report)
    return report


def _first_windows(old: pa.Table, contexts: pa.Table) -> pa.Table:
    """Predictions of W_1 from S_0: what calibration is fitted on, for all rounds."""
    first = {(row["parent"], row["k"]) for row in contexts.select(["parent", "k"]).to_pylist() if row["k"] == 1}
    keys = zip(old["persona_id"].to_pylist(), old["k"].to_pylist(), strict=True)
    return old.filter(pa.array([key in first for key in keys], pa.bool_()))


def _windows(contexts: pa.Table) -> Windows:
    return {(row["domain"], row["user"]): [*row["windows"], row["future"]] for row in contexts.to_pylist()}


def _noise_free(data: Path, contexts: pa.Table) -> dict[tuple[str, str, int], NDArray[np.float64]] | None:
    """Ratings without noise of planted users, by domain, user and window; None where the data has no truth."""
    path = data / "truth.parquet"
    if not path.is_file():
        return None
    do = "make it again with deeper synth users"
    try:
        table = read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError("not a Parquet file that can be read", where=str(path), do=do) from error
    if not table.schema.equals(TRUTH):
        raise UserError("not the truth of planted users", where=str(path), do=do)
    truth = {row["user"]: np.array(row["expected"], np.float64) for row in table.to_pylist()}
    found: dict[tuple[str, str, int], NDArray[np.float64]] = {}
    for row in contexts.to_pylist():
        for k, items in reward_windows(row):
            size = len(items)
            found[row["domain"], row["user"], k] = truth[row["user"]][k * size : (k + 1) * size]
    return found


def _counts(contexts: pa.Table, directions: pa.Table, rewards: pa.Table, compared: list[Gains]) -> dict[str, int]:
    rows = directions.select(["duplicate", "leaks", "failure"]).to_pylist()
    return {
        "contexts": contexts.num_rows,
        "contexts_not_judged": sum(bool(one.failure) for one in compared),
        "directions": len(rows),
        "distinct": sum(len(one.texts) for one in compared),
        "duplicates": sum(row["duplicate"] for row in rows),
        "leaking": sum(bool(row["leaks"]) for row in rows),
        "failed": sum(row["failure"] != "" for row in rows),
        "unrewarded": rewards["r"].null_count,
    }


def _examples(compared: list[Gains], weights: NDArray[np.float64], seed: int) -> list[Mapping[str, Any]]:
    """The best and the worst direction of some contexts drawn at random."""
    able = [one for one in compared if sum(not failure for failure in one.failures) >= 2]
    drawn = np.random.default_rng(seed).permutation(len(able))[:EXAMPLES]
    found: list[Mapping[str, Any]] = []
    for one in (able[i] for i in sorted(drawn.tolist())):
        r = window_means(one.gains) @ weights
        best, worst = int(np.nanargmax(r)), int(np.nanargmin(r))
        found.append(
            {
                "domain": one.context["domain"],
                "old": one.context["persona"],
                "best": {"r": float(r[best]), "text": one.texts[best]},
                "worst": {"r": float(r[worst]), "text": one.texts[worst]},
            }
        )
    return found
