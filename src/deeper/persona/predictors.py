"""Predictors that share the users of a run: each user gets one that was not trained on that user.

Takes personas and windows, returns all predictions in one table. Each persona goes to its user's predictor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from deeper.behaviour.splits import part
from deeper.behaviour.users import Key, Windows, key_of, keys_of
from deeper.domains import Domain
from deeper.engine import Engine
from deeper.persona.calibration import Calibration, Calibrator, fit_calibration
from deeper.persona.predict import (
    PREDICT_INPUT,
    Asked,
    ItemKnowledge,
    nothing_known,
    predict_row,
    predict_stage,
)
from deeper.persona.prompts.templates import Prompts
from deeper.persona.schema import PREDICTION
from deeper.storage.stage import Executor, MadeRows, PlannedStage


@dataclass(frozen=True)
class Predictors:
    """The predictors of a run, each with its users.

    Attributes:
        engines: The predictors.
        users: The users of each predictor; None means all users.
        prompts: The templates.
        domains: By id.
        readout: How predictions are read: `predict.AUTO` or one of `predict.READOUTS`.
        seed: Seed of the structured readout's second attempt.
        item_knowledge: Says what stands beside the titles in prompts.
    """

    engines: Sequence[Engine]
    users: Sequence[frozenset[Key] | None]
    prompts: Prompts
    domains: Mapping[str, Domain]
    readout: str
    seed: int
    item_knowledge: ItemKnowledge = nothing_known

    def predict(self, executor: Executor, name: str, asked: Sequence[Asked]) -> pa.Table:
        """Predict each persona's windows with its user's predictor.

        Args:
            executor: Runs one stage for each predictor.
            name: The name of these stages.
            asked: Personas and the windows to predict from each.

        Returns:
            Uncalibrated `PREDICTION` rows, those of the first predictor first.
        """
        tables = [PREDICTION.empty_table()]
        for engine, users in zip(self.engines, self.users, strict=True):
            makers = [
                partial(predict_row, persona, targets, self.item_knowledge)
                for persona, targets in asked
                if _serves(users, key_of(persona))
            ]
            stage = predict_stage(name, engine, self.prompts, self.domains, self.readout, self.seed)
            tables.append(executor.run(stage, MadeRows(makers, PREDICT_INPUT)))
        return pa.concat_tables(tables)

    def planned(self, name: str, keys: Sequence[Key]) -> list[PlannedStage]:
        """List the stages of `predict`, given the user of each persona."""
        return [PlannedStage(name, "predict", sum(_serves(users, key) for key in keys)) for users in self.users]

    def fit(self, first: pa.Table, windows: Windows) -> Calibrator:
        """Fit the calibration of each predictor on its users, without validation users.

        The predictions of a predictor that has only validation users stay uncalibrated.

        Args:
            first: Uncalibrated `PREDICTION` rows of W_1 from S_0.
            windows: The users' windows.
        """
        maps: list[tuple[frozenset[Key] | None, Calibration]] = []
        for users in self.users:
            is_fitted_on = [_serves(users, key) and part(*key) != "validation" for key in keys_of(first)]
            rows = first.filter(pa.array(is_fitted_on, pa.bool_()))
            maps.append((users, fit_calibration(rows, windows, self.domains)))
        return _CalibrationByPredictor(maps)


@dataclass(frozen=True)
class _CalibrationByPredictor:
    """The users and the calibration of each predictor."""

    maps: Sequence[tuple[frozenset[Key] | None, Calibration]]

    def calibrate(self, table: pa.Table, domains: Mapping[str, Domain]) -> pa.Table:
        """Calibrate each row by the maps of its user's predictor; rows of the first predictor come first."""
        parts = [PREDICTION.empty_table()]
        for users, calibration in self.maps:
            is_served = [_serves(users, key) for key in keys_of(table)]
            parts.append(calibration.calibrate(table.filter(pa.array(is_served, pa.bool_())), domains))
        return pa.concat_tables(parts)


def _serves(users: frozenset[Key] | None, key: Key) -> bool:
    return users is None or key in users
