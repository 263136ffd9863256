"""The online half of the method: initialise, predict, compare, refine, round after round, on held-out windows.

    S_0 from W_0 ─▶ P_1 from S_0 ─▶ calibration (train users) ─▶ for t = 1…: S_t from S_{t-1} and W_t ─▶ P_{t+1}

Each arrow is a stage: a function from a table to a table, run shard by shard by the executor. With a search of
directions, S_t takes two stages: candidates are drawn, and predicted from to be judged. With history, the users whom it
is fitted on have the same rounds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.users import Key, Windows
from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.population import Population
from deeper.commands.execution.predictors import read_stage
from deeper.domains import Domain
from deeper.engine import Engine
from deeper.evaluation.methods import CONTROLS, HISTORY_ONLY, UPDATERS
from deeper.persona.calibration import Calibration, calibrate, fit_calibration
from deeper.persona.cross_fit import CrossFit, cross_fit
from deeper.persona.predict import PREDICT_INPUT, predict_row
from deeper.persona.prompts.templates import Prompts
from deeper.persona.schema import PERSONA
from deeper.persona.search import CANDIDATE, SEARCH, choose, draw, halves, to_judge
from deeper.persona.stages import UPDATE_INPUT, controls, initialise, update, update_row
from deeper.persona.write import Writer
from deeper.storage.stage import Executor, MadeRows, Stage

WRITE_ROWS = 40
CONTROLS_AT_ONCE = 500
CARRIED = ("id", "user", "domain", "method", "k", "text", "tokens", "leaks")
"""What later stages need of a persona; whole rows as Python objects take many times what their table does."""
AHEAD = {"future": 1, "current": 0, "previous": -1}
"""Which window a role judges, counted from the round."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What the loop gives.

    Attributes:
        personas: All personas of eval users, controls included (`PERSONA`).
        predictions: All calibrated predictions for eval users (`PREDICTION`).
        calibration: The fitted maps; with the split `all`, those of each fold of users.
        fitting: Calibrated predictions for calibration users (`PREDICTION`): of W_1, and where history is to be fitted
            of each later window, from the persona that has seen those before it.
        search: What a search of directions decided (`SEARCH`); no rows without one.
    """

    personas: pa.Table
    predictions: pa.Table
    calibration: Calibration | CrossFit
    fitting: pa.Table
    search: pa.Table

    @property
    def unread(self) -> int:
        """Predictions for calibration users that failed, and so are in no map."""
        return sum(failure != "" for failure in self.fitting["failure"].to_pylist())


@dataclass(frozen=True)
class _Round:
    """Personas of a round, their calibrated predictions, and what a search has decided."""

    personas: pa.Table
    predictions: pa.Table
    decided: pa.Table


@dataclass
class OnlineLoop:
    """Runs the rounds of one population.

    Attributes:
        settings: The run's settings.
        executor: Runs the stages.
        policy: The engine that writes personas.
        predictor: The engine that reads them.
        prompts: The templates.
        domains: By id.
    """

    settings: Settings
    executor: Executor
    policy: Engine
    predictor: Engine
    prompts: Prompts
    domains: Mapping[str, Domain]

    def stages(self, population: Population) -> int:
        """How many stages `run` has."""
        of_a_round = 3 if self.settings.search_n else 2
        of_a_round += 2 if self.settings.prediction == "history" and population.calibration else 0
        return 2 + bool(self._chosen(CONTROLS)) + self.settings.rounds * of_a_round * bool(self._chosen(UPDATERS))

    def run(self, population: Population) -> Outcome:
        """Run all rounds."""
        rounds, windows = self.settings.rounds, population.eval
        written = self._initialise({**windows, **population.calibration})
        first = written.select(CARRIED).to_pylist()
        judged = [row for row in first if self._key(row) in windows]
        others = [row for row in first if self._key(row) not in windows]
        personas = [written.filter(pa.array([self._key(row) in windows for row in first], pa.bool_()))]
        updaters, has_history = self._chosen(UPDATERS), self.settings.prediction == "history"
        seen = range(rounds + 2) if "frozen" in self.settings.methods else [0, 1]
        seen = [k for k in seen if k or "current" in self.settings.roles or "previous" in self.settings.roles]
        # Where no persona is ever updated, history is fitted on the first ones, as it is judged.
        fitted = range(1, rounds + 2) if has_history and not updaters else [1]
        wanted = [(row, seen if self._key(row) in windows else fitted) for row in first]
        raw = self._predict("predict-0", wanted, {**windows, **population.calibration})
        keys = zip(raw["domain"].to_pylist(), raw["user"].to_pylist(), strict=True)
        own = pa.array([key in windows for key in keys], pa.bool_())
        for_fitting = raw.filter(pc.invert(own))
        calibration = Calibration({}, None)
        if self.settings.calibrates:
            is_first = pc.field("k") == 1
            # A predictor that has learnt from all train users leaves nobody else to choose on.
            is_choice = self.settings.split == "validation" and not population.calibration
            if self.settings.split == "all" or is_choice:
                calibration = cross_fit(raw.filter(own).filter(is_first), windows, self.domains)
            else:
                calibration = fit_calibration(for_fitting.filter(is_first), population.calibration, self.domains)
        fitting = [self._calibrated(for_fitting, calibration)]
        predictions = [self._calibrated(raw.filter(own), calibration)]

        if has_history:
            of_one = self._rounds(others, updaters[:1], fitting[0], population.calibration, calibration, fits=True)
            fitting += [one.predictions for one in of_one]
            personas.append(self._controls(windows, [HISTORY_ONLY]))
        if self._chosen(CONTROLS):
            personas.append(self._controls(windows, self._chosen(CONTROLS)))
            targets = (
                (row, range(1, rounds + 2) if row["method"] == "no_persona" else [row["k"] + 1])
                for row in personas[-1].select(CARRIED).to_pylist()
            )
            predictions.append(self._calibrated(self._predict("predict-controls", targets, windows), calibration))

        searches = [SEARCH.empty_table()]
        for one in self._rounds(judged, updaters, predictions[0], windows, calibration):
            personas.append(one.personas)
            predictions.append(one.predictions)
            searches.append(one.decided)
        table = pa.concat_tables(personas).combine_chunks()
        return Outcome(
            table, pa.concat_tables(predictions), calibration, pa.concat_tables(fitting), pa.concat_tables(searches)
        )

    def _rounds(
        self,
        first: Sequence[Row],
        methods: Sequence[str],
        predicted: pa.Table,
        windows: Windows,
        calibration: Calibration | CrossFit,
        fits: bool = False,
    ) -> Iterator[_Round]:
        """Update personas, and predict from them, round after round.

        Args:
            first: S_0 of each user.
            methods: Updaters, each of which goes its own way from S_0.
            predicted: Calibrated predictions of W_1 from S_0.
            windows: The users' windows.
            calibration: The maps.
            fits: Only for the fit of history: without a search, and of the next window alone.
        """
        stage, roles = ("fit-", ("future",)) if fits else ("", self.settings.roles)
        current = {(self._key(row), method): row for row in first for method in methods}
        points = _points(predicted, 1)
        for t in range(1, self.settings.rounds + 1) if current else ():
            rows = self._cases(t, current, points, windows, roles)
            if self.settings.search_n and not fits:
                written, decided = self._search(t, rows, current, calibration)
            else:
                written, decided = self._write(f"{stage}update-{t}", update, rows), SEARCH.empty_table()
            final = written.filter(pc.field("stage") == "final").select(CARRIED).to_pylist()
            ks = [t + AHEAD[role] for role in roles]
            raw = self._predict(f"{stage}predict-{t}", [(row, ks) for row in final], windows)
            one = _Round(written, self._calibrated(raw, calibration), decided)
            points = _points(one.predictions, t + 1)
            current = {(self._key(row), row["method"]): row for row in final}
            yield one

    def _initialise(self, windows: Windows) -> pa.Table:
        makers = [partial(update_row, key, "initialise", 0, None, windows[key], None) for key in sorted(windows)]
        return self._write("initialise", initialise, MadeRows(makers, UPDATE_INPUT))

    def _cases(
        self,
        t: int,
        current: Mapping[tuple[Key, str], Row],
        points: Mapping[str, Any],
        windows: Windows,
        roles: Sequence[str],
    ) -> MadeRows:
        # Without in-sample roles, nothing judges a persona that has no next window.
        needed = 1 if tuple(roles) == ("future",) else 0
        makers = [
            partial(update_row, key, method, t, parent, windows[key], points.get(parent["id"]))
            for (key, method), parent in current.items()
            if len(windows[key]) > t + needed
        ]
        return MadeRows(makers, UPDATE_INPUT)

    def _search(
        self, t: int, rows: MadeRows, current: Mapping[tuple[Key, str], Row], calibration: Calibration | CrossFit
    ) -> tuple[pa.Table, pa.Table]:
        """Personas of round t, and what was decided."""
        table = rows.slice(0, rows.num_rows)
        split = halves(table, self.settings.seed, self.settings.search_n)
        drawn = self.executor.run(self._written(f"candidates-{t}", draw, CANDIDATE), split)
        raw = self.executor.run(self._read(f"judge-{t}"), to_judge(table, split, drawn))
        judged = self._calibrated(raw, calibration)
        parents = {row["id"]: row for row in current.values()}
        return choose(table, split, drawn, judged, parents, self._writer(), self.domains)

    def _calibrated(self, table: pa.Table, calibration: Calibration | CrossFit) -> pa.Table:
        if isinstance(calibration, CrossFit):
            return calibration.calibrate(table, self.domains)
        return calibrate(table, calibration, self.domains)

    def _write(self, name: str, function: Callable[..., pa.Table], rows: MadeRows) -> pa.Table:
        return self.executor.run(self._written(name, function, PERSONA), rows)

    def _writer(self) -> Writer:
        return Writer(self.policy, self.prompts, self.settings.max_persona_tokens, self.settings.seed)

    def _written(self, name: str, function: Callable[..., pa.Table], schema: pa.Schema) -> Stage:
        writer = self._writer()
        return Stage(
            name=name,
            version=1,
            function=lambda table: function(table, writer, self.domains),
            schema=schema,
            settings={
                "engine": writer.engine.fingerprint,
                "prompts": writer.prompts.version,
                "max_tokens": writer.max_tokens,
                "seed": writer.seed,
                "domains": {name: repr(domain) for name, domain in sorted(self.domains.items())},
            },
            shard_rows=WRITE_ROWS,
        )

    def _controls(self, windows: Windows, methods: Sequence[str]) -> pa.Table:
        makers = [
            partial(update_row, key, method, k, None, windows[key], None)
            for key in sorted(windows)
            for method in methods
            for k in (range(self.settings.rounds + 1) if method != "no_persona" else [0])
            if len(windows[key]) > k
        ]
        rows, starts = MadeRows(makers, UPDATE_INPUT), range(0, len(makers), CONTROLS_AT_ONCE)
        parts = [controls(rows.slice(start, CONTROLS_AT_ONCE), self.domains) for start in starts]
        return pa.concat_tables([PERSONA.empty_table(), *parts])

    def _predict(self, name: str, wanted: Iterable[tuple[Row, Iterable[int]]], windows: Windows) -> pa.Table:
        makers: list[Callable[[], Row]] = []
        for persona, ks in wanted:
            own = windows[self._key(persona)]
            if targets := {k: own[k] for k in ks if k < len(own)}:
                makers.append(partial(predict_row, persona, targets))
        return self.executor.run(self._read(name), MadeRows(makers, PREDICT_INPUT))

    def _read(self, name: str) -> Stage:
        readout, seed = self.settings.readout, self.settings.seed
        return read_stage(name, self.predictor, self.prompts, self.domains, readout, seed)

    def _chosen(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self.settings.methods]

    @staticmethod
    def _key(row: Row) -> Key:
        return row["domain"], row["user"]


def _points(predictions: pa.Table, k: int) -> dict[str, list[float]]:
    """Points of W_k by persona; failed predictions are left out."""
    read = predictions.filter((pc.field("k") == k) & (pc.field("failure") == ""))
    ids: list[Any] = read["persona_id"].to_pylist()
    points: list[Any] = read["points"].to_pylist()
    return dict(zip(ids, points, strict=True))
