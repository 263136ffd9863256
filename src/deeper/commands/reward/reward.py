"""`deeper reward`: reward the directions of a run, and measure whether the rewards are real.

old personas ─▶ predictions of their windows ─┬─▶ calibration ─▶ rewards ─▶ report on their reality
distinct directions ─▶ the same windows ──────┘

The old personas are predicted from once more among the directions. Their reward must come out at 0.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console

from deeper.behaviour.load import load_windows
from deeper.behaviour.planted.plant import TRUTH
from deeper.behaviour.users import Windows, key_of, keys_of
from deeper.commands.evaluate.settings import is_calibrated
from deeper.commands.execution.engines import make_predictors
from deeper.commands.execution.joined_warnings import joined_warnings
from deeper.commands.execution.local_executor import LocalExecutor
from deeper.commands.execution.population_knowledge import item_knowledge_of
from deeper.commands.execution.progress import RunProgress
from deeper.commands.execution.shared_settings import servers_of
from deeper.commands.reward.settings import RewardSettings
from deeper.commands.sample.settings import SampleSettings
from deeper.engine import ServerSettings
from deeper.errors import UserError
from deeper.evaluation.failures import counted
from deeper.learning.preferences.gains import ALL_ITEMS, Gains, gains, reward_windows
from deeper.learning.preferences.reality import measure_reality
from deeper.learning.preferences.reality_report import Reality
from deeper.learning.preferences.recipe import REWARD_RECIPE
from deeper.learning.preferences.rewards import asked_of_candidates, asked_of_old, check_zero, reward_table
from deeper.learning.preferences.schema import CONTEXT, DIRECTION
from deeper.learning.preferences.window_errors import MEASURES
from deeper.measure.recipe import RECIPE as MEASURE_RECIPE
from deeper.persona.calibration import UNCALIBRATED
from deeper.persona.predictors import Predictors
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.recipe import RECIPE as PERSONA_RECIPE
from deeper.storage.layout import (
    CONFIG_FILE,
    CONTEXTS_FILE,
    DIRECTIONS_FILE,
    MANIFEST_FILE,
    REWARD_COST_FILE,
    REWARD_PREDICTIONS_FILE,
    REWARD_REPORT_FILE,
    REWARDS_FILE,
)
from deeper.storage.parquet import read_parquet
from deeper.storage.provenance import dump_recipes, provenance
from deeper.storage.run_folder import RunFolder
from deeper.storage.settings import resolve
from deeper.storage.stage import COST

EXAMPLE_CONTEXTS = 5
"""Contexts whose best and worst direction the report shows."""


def reward_directions(
    settings: RewardSettings, run: Path, console: Console, *, reuse_shards: bool = False
) -> dict[str, Any]:
    """Reward the directions of a run of `deeper sample`, or continue an interrupted rewarding.

    Calls to a server that failed are made again.
    Predictions stay in the run folder as shards. Another reward or other weights call no predictor again.

    Args:
        settings: The settings.
        run: The run folder. It gets rewards.parquet, reward-predictions.parquet and reward.json.
        console: Shows progress.
        reuse_shards: Keep shards that older code wrote.

    Returns:
        The content of `reward.json`.

    Raises:
        UserError: The folder holds no finished run, a predictor does not fit or was trained on these users, or an old
            persona's reward is not 0.
    """
    if not (run / MANIFEST_FILE).is_file() or not (run / DIRECTIONS_FILE).is_file():
        raise UserError("there is no finished run of deeper sample", where=str(run), do="run deeper sample first")
    sampled = resolve(SampleSettings, run / CONFIG_FILE, {})
    prompts = load_prompts(sampled.prompts, sampled.evidence)
    folder = RunFolder(run, sampled)
    contexts, directions = folder.read_table(CONTEXTS_FILE, CONTEXT), folder.read_table(DIRECTIONS_FILE, DIRECTION)
    if not contexts.num_rows:
        raise UserError("the run has no context", where=str(run), do="sample again with an engine that answers")
    loaded = load_windows(sampled.data, sampled.domains or None, sampled.items)
    keys = sorted(set(keys_of(contexts)))
    spec = settings.predictor_engine or sampled.predictor_engine
    adapters = settings.predictor_adapter or (() if settings.predictor_engine else sampled.predictor_adapter)
    given = settings.predictor_server
    server = servers_of(sampled)["predictor"] if given == ServerSettings() else given
    predictors = make_predictors(
        spec,
        adapters,
        prompts,
        keys,
        sampled.precision,
        server,
        domains=loaded.domains,
        readout=sampled.readout,
        seed=sampled.seed,
    )
    item_knowledge = item_knowledge_of(sampled.item_knowledge, loaded.windows, loaded.domains)
    predictors = replace(predictors, item_knowledge=item_knowledge)
    with folder.held(), joined_warnings():
        engines = {str(i): engine for i, engine in enumerate(predictors.engines)}
        executor = LocalExecutor(folder, RunProgress(console), engines, reuse_shards=reuse_shards)
        calibrates = is_calibrated(sampled.calibration, adapters)
        return _reward(settings, sampled, contexts, directions, predictors, calibrates, folder, executor)


def _reward(
    settings: RewardSettings,
    sampled: SampleSettings,
    contexts: pa.Table,
    directions: pa.Table,
    predictors: Predictors,
    calibrates: bool,
    folder: RunFolder,
    executor: LocalExecutor,
) -> dict[str, Any]:
    domains, seed = predictors.domains, sampled.seed
    asked = {"reward-old": asked_of_old(contexts), "reward-candidates": asked_of_candidates(contexts, directions)}
    planned = [predictors.planned(name, [key_of(persona) for persona, _ in pairs]) for name, pairs in asked.items()]
    executor.expect([stage for stages in planned for stage in stages])
    old, candidates = (predictors.predict(executor, name, pairs) for name, pairs in asked.items())
    calibrator = UNCALIBRATED
    if calibrates:
        calibrator = predictors.fit(_first_windows(old, contexts), _windows(contexts))
    raw = pa.concat_tables([old, candidates])
    asked_for = ["old personas"] * old.num_rows + ["directions"] * candidates.num_rows
    failed = counted("predictions", asked_for, raw["failure"].to_pylist(), predictors.engines[0])
    predictions = calibrator.calibrate(raw, domains)

    compared = {name: gains(contexts, directions, predictions, domains, name) for name in MEASURES}
    largest = check_zero(compared["crps"], domains)
    expected = _noise_free(Path(sampled.data), contexts)
    reality: dict[str, Reality] = {}
    for name in MEASURES:
        true = gains(contexts, directions, predictions, domains, name, expected) if expected else None
        reality[name] = measure_reality(compared[name], true, domains, settings.weights, seed)
    rewards = reward_table(directions, compared[settings.reward], settings.weights)
    report = {
        **provenance(),
        "seed": seed,
        "config": settings.model_dump(mode="json"),
        "sampled": sampled.model_dump(mode="json"),
        "predictors": [engine.fingerprint for engine in predictors.engines],
        "users_of_predictors": [len(users or ()) for users in predictors.users],
        "counts": _counts(contexts, directions, rewards, compared[settings.reward]),
        "recipes": dump_recipes(reward=REWARD_RECIPE, persona=PERSONA_RECIPE, measure=MEASURE_RECIPE),
        "old_persona_again": {"largest": largest},
        "reused_shards": executor.reused,
        "server_notes": executor.server_notes,
        "trustworthy": reality[settings.reward].is_trustworthy,
        "reality": {name: found.as_json() for name, found in reality.items()},
        "examples": _examples(compared[settings.reward], np.array(settings.weights), seed),
        "failed_calls": [entry.model_dump(mode="json") for entry in failed],
    }
    folder.write_table(REWARDS_FILE, rewards)
    folder.write_table(REWARD_PREDICTIONS_FILE, predictions)
    folder.write_table(REWARD_COST_FILE, pa.Table.from_pylist(executor.costs, schema=COST))
    folder.write_json(REWARD_REPORT_FILE, report)
    return report


def _first_windows(old: pa.Table, contexts: pa.Table) -> pa.Table:
    """Predictions of W_1 from S_0. The calibration of all rounds is fitted on these."""
    first = {(row["parent"], row["k"]) for row in contexts.select(["parent", "k"]).to_pylist() if row["k"] == 1}
    keys = zip(old["persona_id"].to_pylist(), old["k"].to_pylist(), strict=True)
    return old.filter(pa.array([key in first for key in keys], pa.bool_()))


def _windows(contexts: pa.Table) -> Windows:
    """The windows of the contexts' users."""
    return {key_of(row): [*row["windows"], *row["future"]] for row in contexts.to_pylist()}


def _noise_free(data: Path, contexts: pa.Table) -> dict[tuple[str, str, int], NDArray[np.float64]] | None:
    """Planted users' ratings before noise was added, by domain, user and window; None for data without such a truth."""
    path = data / "truth.parquet"
    if not path.is_file():
        return None
    do = "make the data again with deeper synth users"
    try:
        table = read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError("the file is not readable as Parquet", where=str(path), do=do) from error
    if not table.schema.equals(TRUTH):
        raise UserError("the file does not hold the truth of planted users", where=str(path), do=do)
    truth = {row["user"]: np.array(row["expected"], np.float64) for row in table.to_pylist()}
    ratings: dict[tuple[str, str, int], NDArray[np.float64]] = {}
    for row in contexts.to_pylist():
        for k, items in reward_windows(row):
            size = len(items)
            ratings[row["domain"], row["user"], k] = truth[row["user"]][k * size : (k + 1) * size]
    return ratings


def _counts(contexts: pa.Table, directions: pa.Table, rewards: pa.Table, compared: list[Gains]) -> dict[str, int]:
    """Number of contexts and directions, of distinct texts in each context, and of those without a reward."""
    rows = directions.select(["duplicate", "leaks", "failure"]).to_pylist()
    return {
        "contexts": contexts.num_rows,
        "contexts_unrewarded": sum(bool(context.failure) for context in compared),
        "directions": len(rows),
        "distinct": sum(len(context.texts) for context in compared),
        "duplicates": sum(row["duplicate"] for row in rows),
        "leaking": sum(bool(row["leaks"]) for row in rows),
        "failed": sum(row["failure"] != "" for row in rows),
        "unrewarded": rewards["r"].null_count,
    }


def _examples(compared: list[Gains], weights: NDArray[np.float64], seed: int) -> list[Mapping[str, Any]]:
    """The best and the worst direction of some contexts drawn at random."""
    rewarded = [context for context in compared if sum(not failure for failure in context.failures) >= 2]
    drawn = np.random.default_rng(seed).permutation(len(rewarded))[:EXAMPLE_CONTEXTS]
    examples: list[Mapping[str, Any]] = []
    for gains_of_context in (rewarded[i] for i in sorted(drawn.tolist())):
        r = gains_of_context.gains[ALL_ITEMS] @ weights
        best, worst = int(np.nanargmax(r)), int(np.nanargmin(r))
        examples.append(
            {
                "domain": gains_of_context.context["domain"],
                "old": gains_of_context.context["persona"],
                "best": {"r": float(r[best]), "text": gains_of_context.texts[best]},
                "worst": {"r": float(r[worst]), "text": gains_of_context.texts[worst]},
            }
        )
    return examples
