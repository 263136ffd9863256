"""The rounds of `deeper evaluate`: users flow in, personas and calibrated predictions flow out.

S_0 of all users ─▶ P_1 ─▶ calibration ─▶ rounds of calibration users (if history is fitted)
                                       ─▶ controls ─▶ rounds of eval users
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.users import Key, Windows, key_of, keys_of
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.population import Population
from deeper.evaluation.methods import CONTROLS, HISTORY_ONLY, updaters_in
from deeper.persona.calibration import UNCALIBRATED, Calibration, Calibrator, fit_calibration
from deeper.persona.cross_fit import CrossFit, cross_fit
from deeper.persona.rounds import Loop, RoundsPlan, Row, asked_for, carried
from deeper.persona.schema import PERSONA
from deeper.persona.search import SEARCH
from deeper.persona.stages import controls
from deeper.persona.update_input import UPDATE_INPUT, update_row
from deeper.storage.stage import MadeRows, PlannedStage

CONTROLS_AT_ONCE = 500
"""Controls that are made at a time: all at once would take too much memory."""


@dataclass(frozen=True)
class Outcome:
    """The results of all rounds.

    Attributes:
        personas: All personas of eval users, controls included (`PERSONA`).
        predictions: All calibrated predictions for eval users (`PREDICTION`).
        calibration: The fitted maps. With the split `all`, each fold of users has its own.
        fitting: Calibrated predictions for calibration users (`PREDICTION`): of W_1 and, if history is fitted, of each
            later window from the persona of the round before.
        search: What a search decided (`SEARCH`); empty without a search.
    """

    personas: pa.Table
    predictions: pa.Table
    calibration: Calibration | CrossFit
    fitting: pa.Table
    search: pa.Table

    @property
    def unread(self) -> int:
        """Number of failed predictions for calibration users; the fits leave these out."""
        return sum(failure != "" for failure in self.fitting["failure"].to_pylist())


@dataclass(frozen=True)
class EvaluationRounds:
    """The rounds of one population.

    Attributes:
        settings: The run's settings.
        loop: The models and the executor.
        population: The users.
    """

    settings: Settings
    loop: Loop
    population: Population

    def stages(self) -> list[PlannedStage]:
        """List the stages of `run`, in order."""
        everyone = self._everyone()
        predicted = [key for key, windows in everyone.items() if any(k < len(windows) for k in self._first_ks(key))]
        stages = [
            PlannedStage("initialise", "write", len(everyone)),
            *self.loop.predictors.planned("predict-0", predicted),
        ]
        if self._fits_history:
            stages += self.loop.planned(self._fitting_plan, self.population.calibration)
        if chosen := self._controls_chosen:
            rows = self._control_rows(chosen)
            keys = [key for key, method, k in rows if method == "no_persona" or k + 1 < len(everyone[key])]
            stages += self.loop.predictors.planned("predict-controls", keys)
        return stages + self.loop.planned(self._plan, self.population.eval)

    def run(self) -> Outcome:
        """Run all rounds."""
        windows, domains = self.population.eval, self.loop.domains
        first = self.loop.initialise(self._everyone())
        rows = carried(first)
        wanted = ((row, self._first_ks(key_of(row))) for row in rows)
        raw = self.loop.predict("predict-0", asked_for(wanted, self._everyone()))
        is_eval = self._is_eval(raw)
        eval_raw, fitting_raw = raw.filter(is_eval), raw.filter(pc.invert(is_eval))

        calibration = self._calibration(eval_raw, fitting_raw)
        personas = [first.filter(self._is_eval(first))]
        predictions = [calibration.calibrate(eval_raw, domains)]
        fitting = [calibration.calibrate(fitting_raw, domains)]

        if self._has_history:
            fitting_rows = [row for row in rows if key_of(row) not in windows]
            fitting += self._fitting_rounds(fitting_rows, fitting[0], calibration)
            personas.append(self._controls([HISTORY_ONLY]))
        if chosen := self._controls_chosen:
            personas.append(self._controls(chosen))
            predictions.append(self._predict_controls(personas[-1], calibration))

        searches = [SEARCH.empty_table()]
        eval_rows = [row for row in rows if key_of(row) in windows]
        for results in self.loop.rounds(self._plan, eval_rows, predictions[0], windows, calibration):
            personas.append(results.personas)
            predictions.append(results.predictions)
            searches.append(results.decisions)
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
    def _updaters(self) -> list[str]:
        return updaters_in(self.settings.methods)

    @property
    def _controls_chosen(self) -> list[str]:
        return [name for name in CONTROLS if name in self.settings.methods]

    @property
    def _plan(self) -> RoundsPlan:
        # In-sample roles predict from the last persona too; the role future needs a next window.
        after = 1 if tuple(self.settings.roles) == ("future",) else 0
        return RoundsPlan(
            self.settings.rounds, self._updaters, self.settings.roles, after, search_n=self.settings.search_n
        )

    @property
    def _fitting_plan(self) -> RoundsPlan:
        """Rounds of the first chosen updater. History needs personas refined as often as those of eval users."""
        return RoundsPlan(self.settings.rounds, self._updaters[:1], prefix="fit-")

    def _everyone(self) -> Windows:
        return {**self.population.eval, **self.population.calibration}

    def _is_eval(self, table: pa.Table) -> pa.BooleanArray:
        """Which rows are those of eval users."""
        return pa.array([key in self.population.eval for key in keys_of(table)], pa.bool_())

    def _first_ks(self, key: Key) -> Sequence[int]:
        """The windows that are predicted from a user's S_0."""
        rounds = self.settings.rounds
        if key not in self.population.eval:
            # If no persona is updated, history is fitted on predictions from S_0.
            return range(1, rounds + 2) if self._has_history and not self._updaters else [1]
        ks = range(rounds + 2) if "frozen" in self.settings.methods else range(2)
        is_in_sample = bool({"current", "previous"} & set(self.settings.roles))
        return [k for k in ks if k or is_in_sample]

    def _calibration(self, eval_raw: pa.Table, fitting_raw: pa.Table) -> Calibration | CrossFit:
        """Fit the maps on W_1 from S_0: of calibration users or, without them, of the other eval users."""
        if not self.settings.calibrates:
            return UNCALIBRATED
        is_first = pc.field("k") == 1
        # A predictor that was trained on all train users leaves no calibration users.
        lacks_users = self.settings.split == "validation" and not self.population.calibration
        if self.settings.split == "all" or lacks_users:
            return cross_fit(eval_raw.filter(is_first), self.population.eval, self.loop.domains)
        return fit_calibration(fitting_raw.filter(is_first), self.population.calibration, self.loop.domains)

    def _fitting_rounds(self, first: Sequence[Row], predicted: pa.Table, calibration: Calibrator) -> list[pa.Table]:
        """Calibrated predictions for calibration users, one table for each round."""
        windows = self.population.calibration
        rounds = self.loop.rounds(self._fitting_plan, first, predicted, windows, calibration)
        return [results.predictions for results in rounds]

    def _control_rows(self, methods: Sequence[str]) -> list[tuple[Key, str, int]]:
        """The user, control and round of each row that takes a persona's place."""
        windows, rounds = self.population.eval, self.settings.rounds
        return [
            (key, method, k)
            for key in sorted(windows)
            for method in methods
            for k in (range(rounds + 1) if method != "no_persona" else [0])
            if len(windows[key]) > k
        ]

    def _controls(self, methods: Sequence[str]) -> pa.Table:
        """`PERSONA` rows of the controls."""
        windows = self.population.eval
        makers = [
            partial(update_row, key, method, k, None, windows[key], None)
            for key, method, k in self._control_rows(methods)
        ]
        rows, starts = MadeRows(makers, UPDATE_INPUT), range(0, len(makers), CONTROLS_AT_ONCE)
        most = self.settings.max_persona_tokens
        parts = [controls(rows.slice(start, CONTROLS_AT_ONCE), self.loop.domains, most) for start in starts]
        return pa.concat_tables([PERSONA.empty_table(), *parts])

    def _predict_controls(self, table: pa.Table, calibration: Calibrator) -> pa.Table:
        """Calibrated predictions from the controls: of every later window from `no_persona`, else of the next."""
        later = range(1, self.settings.rounds + 2)
        wanted: list[tuple[Any, Sequence[int]]] = [
            (row, later if row["method"] == "no_persona" else [row["k"] + 1]) for row in carried(table)
        ]
        raw = self.loop.predict("predict-controls", asked_for(wanted, self.population.eval))
        return calibration.calibrate(raw, self.loop.domains)
