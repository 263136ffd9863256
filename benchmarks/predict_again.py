"""Predict again from changed personas, with the predictor of a finished run of `deeper evaluate`.

The benchmarks of what personas hold share this. A prediction is made as the run made it: with its prompts, its item
knowledge and its calibration.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deeper.behaviour.users import Windows, key_of
from deeper.commands.evaluate.plan import RunPlan, make_plan
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.population_knowledge import item_knowledge_of
from deeper.domains.level_words import LEVEL_WORDS
from deeper.evaluation.runs.load_run import Run, load_run
from deeper.measure.metrics import crps, mean_absolute_error
from deeper.persona.calibration import UNCALIBRATED, Calibrator, fit_calibration
from deeper.persona.cross_fit import cross_fit
from deeper.persona.predict import PREDICT_INPUT, ItemKnowledge, predict, predict_row
from paired import Key, Row

LEVEL = {word for words in LEVEL_WORDS for word in words}
NO_POLICY = {"policy_engine": "scripted", "policy_adapter": ""}
Errors = dict[tuple[Key, int], dict[str, float]]
"""MAE and CRPS by user and window."""


@dataclass(frozen=True)
class Again:
    """A finished run whose predictor, or another one in its place, can be asked again."""

    run: Run
    plan: RunPlan
    windows: Windows
    item_knowledge: ItemKnowledge
    maps: Calibrator

    def errors(self, personas: Sequence[tuple[Row, int]]) -> Errors:
        """Predict a window from each persona, and compare.

        Args:
            personas: Rows with id, user, domain and text, each with the number of the window to predict.

        Returns:
            The errors on windows with a rating, without failed predictions.
        """
        found: Errors = {}
        domains = self.plan.loaded.domains
        for row in self.maps.calibrate(self._raw(personas), domains).to_pylist():
            actual = np.array([item["rating"] for item in self.windows[key_of(row)][row["k"]]])
            rated = domains[row["domain"]].is_rated(actual)
            if not row["failure"] and rated.any():
                shares, values = np.array(row["distribution"])[rated], domains[row["domain"]].scale.values
                found[key_of(row), row["k"]] = {
                    "mae": mean_absolute_error(np.array(row["points"])[rated], actual[rated]),
                    "crps": float(crps(shares, values, actual[rated]).mean()),
                }
        return found

    def _raw(self, personas: Sequence[tuple[Row, int]]) -> pa.Table:
        asked = [predict_row(row, {k: self.windows[key_of(row)][k]}, self.item_knowledge) for row, k in personas]
        plan, settings = self.plan, self.plan.settings
        table = pa.Table.from_pylist(asked, schema=PREDICT_INPUT)
        return predict(
            table, plan.engines["predictor"], plan.prompts, plan.loaded.domains, settings.readout, settings.seed
        )


def again(folder: Path, adapter: str | None = None) -> Again:
    """Load a run and its predictor.

    Args:
        folder: The run folder.
        adapter: The adapter of another predictor.
    """
    run = load_run(folder)
    changes = NO_POLICY if adapter is None else {**NO_POLICY, "predictor_adapter": adapter}
    plan = make_plan(Settings.model_validate(run.settings).model_copy(update=changes))
    windows: dict[Key, list[Any]] = {}
    for row in plan.loaded.windows.to_pylist():
        windows.setdefault(key_of(row), []).append(row["items"])
    knowledge = item_knowledge_of(plan.settings.item_knowledge, plan.population.table, plan.loaded.domains)
    uncalibrated = Again(run, plan, windows, knowledge, UNCALIBRATED)
    return Again(run, plan, windows, knowledge, _calibration(uncalibrated))


def _calibration(uncalibrated: Again) -> Calibrator:
    """The map of this predictor, fitted on the first personas of the users that the run calibrated on."""
    plan, run = uncalibrated.plan, uncalibrated.run
    if not plan.settings.calibrates:
        return UNCALIBRATED
    first = pa.concat_tables(pq.read_table(path) for path in sorted((run.folder / "initialise").glob("*.parquet")))
    rows = [row for row in first.to_pylist() if row["stage"] == "final" and not row["failure"]]
    evaluated = set(plan.population.eval)
    calibrating = [(row, 1) for row in rows if key_of(row) not in evaluated]
    if calibrating:
        return fit_calibration(uncalibrated._raw(calibrating), uncalibrated.windows, plan.loaded.domains)
    judged = [(row, 1) for row in rows if len(uncalibrated.windows[key_of(row)]) > 1]
    return cross_fit(uncalibrated._raw(judged), plan.population.eval, plan.loaded.domains)


def level_only(persona: str) -> str:
    """Return the first sentence that names a level, or an empty text."""
    sentences = re.findall(r"[^.]+\.", persona)
    return next((text.strip() for text in sentences if LEVEL & {*re.findall(r"[\w-]+", text.lower())}), "")


def of_measure(errors: Mapping[tuple[Key, int], Mapping[str, float]], measure: str) -> dict[Key, float]:
    """Return each user's mean of a measure over the windows."""
    found: dict[Key, list[float]] = {}
    for (key, _), values in errors.items():
        found.setdefault(key, []).append(values[measure])
    return {key: float(np.mean(values)) for key, values in found.items()}
