"""The rounds of `deeper evaluate`: personas and predictions of eval users, and what is fitted on other users.

S_0 of all ─▶ P_1 ─▶ calibration ─▶ rounds of calibration users (to fit history) ─▶ controls ─▶ rounds of eval users
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.users import Key, Windows
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.population import Population
from deeper.evaluation.methods import CONTROLS, HISTORY_ONLY, UPDATERS
from deeper.persona.calibration import UNCALIBRATED, Calibration, Calibrator, fit_calibration
from deeper.persona.cross_fit import CrossFit, cross_fit
from deeper.persona.rounds import Loop, Plan, Row, asked_for, carried, key_of
from deeper.persona.schema import PERSONA
from deeper.persona.search import SEARCH
from deeper.persona.stages import controls
from deeper.persona.update_input import UPDATE_INPUT, update_row
from deeper.storage.stage import MadeRows, PlannedStage

CONTROLS_AT_ONCE = 500
"""Controls that are made at once; all of them together would take too much memory."""


@dataclass(frozen=True)
class Outcome:
    """What the rounds give.

    Attributes:
        personas: All personas of eval users, controls included (`PERSONA`).
        predictions: All calibrated predictions for eval users (`PREDICTION`).
        calibration: The fitted maps; with the split `all`, those of each fold of users.
        fitting: Calibrated predictions for calibration users (`PREDICTION`): of W_1, and to fit history of each later
            window, from the persona that has seen the windows before it.
        search: What a search of directions decided (`SEARCH`); no rows without one.
    """

    personas: pa.Table
    predictions: pa.Table
    calibration: Calibration | CrossFit
    fitting: pa.Table
    search: pa.Table

    @property
    def unread(self) -> int:
        """Predictions for calibration users that failed and shape no map."""
        return sum(failure != "" for failure in self.fitting["failure"].to_pylist())


@dataclass(frozen=True)
class Online:
    """The rounds of one population.

    Attributes:
        settings: The run's settings.
        loop: Its models, and the executor.
        population: Its users.
    """

    settings: Settings
    loop: Loop
    population: Population

    def stages(self) -> list[PlannedStage]:
        """The stages of `run`, in order."""
        everyone = self._everyone()
        stages = [
            PlannedStage("initialise", "write", len(everyone)),
            *self.loop.predictors.planned(
                "predict-0", [key for key, own in everyone.items() if any(k < len(own) for k in self._first_ks(key))]
            ),
        ]
        if self._fits_history:
            stages += self.loop.planned(self._fitting_plan, self.population.calibration)
        if chosen := self._chosen(CONTROLS):
            rows = self._control_rows(chosen)
            keys = [key for key, method, k in rows if method == "no_persona" or k + 1 < len(everyone[key])]
            stages += self.loop.predictors.planned("predict-controls", keys)
        return stages + self.loop.planned(self._plan, self.population.eval)

    def run(self) -> Outcome:
        """Run all rounds."""
        windows, domains = self.population.eval, self.loop.domains
        first = self.loop.initialise(self._everyone())
        rows = carried(first)
        is_eval = [key_of(row) in windows for row in rows]
        wanted = ((row, self._first_ks(key_of(row))) for row in rows)
        raw = self.loop.predict("predict-0", asked_for(wanted, self._everyone()))
        own = pa.array([key_of(row) in windows for row in raw.select(["domain", "user"]).to_pylist()], pa.bool_())
        eval_raw, fitting_raw = raw.filter(own), raw.filter(pc.invert(own))

        calibration = self._calibration(eval_raw, fitting_raw)
        personas = [first.filter(pa.array(is_eval, pa.bool_()))]
        predictions = [calibration.calibrate(eval_raw, domains)]
        fitting = [calibration.calibrate(fitting_raw, domains)]

        if self._has_history:
            others = [row for row, found in zip(rows, is_eval, strict=True) if not found]
            fitting += self._fitting_rounds(others, fitting[0], calibration)
            personas.append(self._controls([HISTORY_ONLY]))
        if chosen := self._chosen(CONTROLS):
            personas.append(self._controls(chosen))
            predictions.append(self._predict_controls(personas[-1], calibration))

        searches = [SEARCH.empty_table()]
        eval_rows = [row for row, found in zip(rows, is_eval, strict=True) if found]
        for one in self.loop.rounds(self._plan, eval_rows, predictions[0], windows, calibration):
            personas.append(one.personas)
            predictions.append(one.predictions)
            searches.append(one.decisions)
        return Outcome(
            pa.concat_tables(personas).combine_chunks(),
            pa.concat_tables(predictions),
            calibration,
            pa.concat_tables(fitting),
            pa.concat_tables(searches),
        )

    @property
    def _has_history(self) -> bool:
        return self.settings.prediction == "history"

    @property
    def _fits_history(self) -> bool:
        return self._has_history and bool(self.population.calibration)

    @property
    def _plan(self) -> Plan:
        # Without in-sample roles, nothing is predicted from a persona without a next window.
        after = 1 if tuple(self.settings.roles) == ("future",) else 0
        return Plan(
            self.settings.rounds, self._chosen(UPDATERS), self.settings.roles, after, search_n=self.settings.search_n
        )

    @property
    def _fitting_plan(self) -> Plan:
        """Rounds of the first chosen updater, so that history is fitted on personas as old as those of eval users."""
        return Plan(self.settings.rounds, self._chosen(UPDATERS)[:1], prefix="fit-")

    def _everyone(self) -> Windows:
        return {**self.population.eval, **self.population.calibration}

    def _first_ks(self, key: Key) -> Sequence[int]:
        """The windows that a user's S_0 predicts."""
        rounds = self.settings.rounds
        if key not in self.population.eval:
            # Where no persona is ever updated, history is fitted on the first ones.
            return range(1, rounds + 2) if self._has_history and not self._chosen(UPDATERS) else [1]
        ks = range(rounds + 2) if "frozen" in self.settings.methods else range(2)
        is_in_sample = bool({"current", "previous"} & set(self.settings.roles))
        return [k for k in ks if k or is_in_sample]

    def _calibration(self, eval_raw: pa.Table, fitting_raw: pa.Table) -> Calibration | CrossFit:
        """Fit the maps on W_1 from S_0, of calibration users or, without them, on the other eval users."""
        if not self.settings.calibrates:
            return UNCALIBRATED
        is_first = pc.field("k") == 1
        # A predictor that has learnt from all train users leaves nobody else to choose on.
        is_choice = self.settings.split == "validation" and not self.population.calibration
        if self.settings.split == "all" or is_choice:
            return cross_fit(eval_raw.filter(is_first), self.population.eval, self.loop.domains)
        return fit_calibration(fitting_raw.filter(is_first), self.population.calibration, self.loop.domains)

    def _fitting_rounds(self, first: Sequence[Row], predicted: pa.Table, calibration: Calibrator) -> list[pa.Table]:
        """Predictions of calibration users, round after round."""
        windows = self.population.calibration
        rounds = self.loop.rounds(self._fitting_plan, first, predicted, windows, calibration)
        return [one.predictions for one in rounds]

    def _control_rows(self, methods: Sequence[str]) -> list[tuple[Key, str, int]]:
        """User, control and round of each control that takes a persona's place."""
        windows, rounds = self.population.eval, self.settings.rounds
        return [
            (key, method, k)
            for key in sorted(windows)
            for method in methods
            for k in (range(rounds + 1) if method != "no_persona" else [0])
            if len(windows[key]) > k
        ]

    def _controls(self, methods: Sequence[str]) -> pa.Table:
        windows = self.population.eval
        makers = [
            partial(update_row, key, method, k, None, windows[key], None)
            for key, method, k in self._control_rows(methods)
        ]
        rows, starts = MadeRows(makers, UPDATE_INPUT), range(0, len(makers), CONTROLS_AT_ONCE)
        parts = [controls(rows.slice(start, CONTROLS_AT_ONCE), self.loop.domains) for start in starts]
        return pa.concat_tables([PERSONA.empty_table(), *parts])

    def _predict_controls(self, table: pa.Table, calibration: Calibrator) -> pa.Table:
        later = range(1, self.settings.rounds + 2)
        wanted: list[tuple[Any, Sequence[int]]] = [
            (row, later if row["method"] == "no_persona" else [row["k"] + 1]) for row in carried(table)
        ]
        raw = self.loop.predict("predict-controls", asked_for(wanted, self.population.eval))
        return calibration.calibrate(raw, self.loop.domains)

    def _chosen(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self.settings.methods]
