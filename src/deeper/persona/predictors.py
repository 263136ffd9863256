"""Predictors that share the users: each user is predicted by one that was not trained on that user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from deeper.behaviour.splits import part
from deeper.behaviour.users import Key, Windows
from deeper.domains import Domain
from deeper.engine import Engine
from deeper.persona.calibration import Calibration, Calibrator, fit_calibration
from deeper.persona.predict import PREDICT_INPUT, Asked, predict_row, predict_stage
from deeper.persona.prompts.templates import Prompts
from deeper.persona.schema import PREDICTION
from deeper.storage.stage import Executor, MadeRows, PlannedStage


@dataclass(frozen=True)
class Predictors:
    """The predictors of a run, and the users of each.

    Attributes:
        engines: The predictors.
        users: The users of each; None stands for all.
        prompts: The templates.
        domains: By id.
        readout: How predictions are read; one of `predict.READOUTS`.
        seed: Seed of the structured readout's second attempt.
    """

    engines: Sequence[Engine]
    users: Sequence[frozenset[Key] | None]
    prompts: Prompts
    domains: Mapping[str, Domain]
    readout: str
    seed: int

    def predict(self, executor: Executor, name: str, asked: Sequence[Asked]) -> pa.Table:
        """Uncalibrated `PREDICTION` rows, each from its user's predictor; those of the first predictor come first.

        Args:
            executor: Runs one stage for each predictor.
            name: Of these stages.
            asked: Personas and the windows to predict from each.
        """
        tables = [PREDICTION.empty_table()]
        for engine, users in zip(self.engines, self.users, strict=True):
            makers = [partial(predict_row, *one) for one in asked if _serves(users, _key(one[0]))]
            stage = predict_stage(name, engine, self.prompts, self.domains, self.readout, self.seed)
            tables.append(executor.run(stage, MadeRows(makers, PREDICT_INPUT)))
        return pa.concat_tables(tables)

    def planned(self, name: str, keys: Sequence[Key]) -> list[PlannedStage]:
        """The stages of `predict` for personas of these users, one key for each persona."""
        return [PlannedStage(name, "predict", sum(_serves(users, key) for key in keys)) for users in self.users]

    def fit(self, first: pa.Table, windows: Windows) -> Calibrator:
        """The map of each predictor, fitted on its users' W_1 predicted from S_0, without validation users.

        A predictor that only has validation users keeps its predictions as they are.

        Args:
            first: Uncalibrated `PREDICTION` rows.
            windows: The users' windows.
        """
        maps: list[tuple[frozenset[Key] | None, Calibration]] = []
        for users in self.users:
            own = [_serves(users, key) and part(*key) != "validation" for key in _keys(first)]
            maps.append((users, fit_calibration(first.filter(pa.array(own, pa.bool_())), windows, self.domains)))
        return _EachPredictor(maps)


@dataclass(frozen=True)
class _EachPredictor:
    """One calibration for each predictor's users."""

    maps: Sequence[tuple[frozenset[Key] | None, Calibration]]

    def calibrate(self, table: pa.Table, domains: Mapping[str, Domain]) -> pa.Table:
        """Calibrate each row by its user's predictor; rows of the first predictor come first."""
        parts = [PREDICTION.empty_table()]
        for users, one in self.maps:
            own = [_serves(users, key) for key in _keys(table)]
            parts.append(one.calibrate(table.filter(pa.array(own, pa.bool_())), domains))
        return pa.concat_tables(parts)


def _serves(users: frozenset[Key] | None, key: Key) -> bool:
    return users is None or key in users


def _key(row: Mapping[str, Any]) -> Key:
    return row["domain"], row["user"]


def _keys(table: pa.Table) -> list[Key]:
    return [_key(row) for row in table.select(["domain", "user"]).to_pylist()]
