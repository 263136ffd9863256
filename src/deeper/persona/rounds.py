"""The loop of the method: initialise, predict, compare, update, round after round.

    S_0 from W_0 ─▶ P_1 from S_0 ─▶ for t = 1, 2, …: S_t from S_{t-1}, W_t and P_t ─▶ P_{t+1} from S_t

Windows of users flow in; personas and calibrated predictions of each round flow out. Each arrow is a stage that an
executor runs. With a search, two stages make S_t: one samples candidates, and one predicts from each of them to choose
the best.

`deeper evaluate` and `deeper sample` run this loop. The users of a `PersonaTracker` are at different windows, so
`tracker/catch_up.py` calls `Loop.write` and `Loop.predict` user by user. Equal windows and engines give equal personas
everywhere.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.users import Key, Windows, key_of
from deeper.domains import Domain
from deeper.persona.calibration import Calibrator
from deeper.persona.predict import Asked
from deeper.persona.predictors import Predictors
from deeper.persona.search import CANDIDATE, SEARCH, asked_to_choose, candidate_inputs, choose, draw
from deeper.persona.stages import initialise, short_term, update, write_stage
from deeper.persona.update_input import UPDATE_INPUT, update_row
from deeper.persona.updaters import MODULES, Updaters
from deeper.persona.write import Writer
from deeper.storage.stage import Executor, MadeRows, PlannedStage

CARRIED = ("id", "user", "domain", "method", "k", "text", "tokens", "leaks", "failure")
"""The columns of a persona that later stages need. Whole rows as Python objects take far more memory than a table."""
Row = dict[str, Any]
MakeRow = Callable[[], Row]
ROLE_OFFSETS = {"future": 1, "current": 0, "previous": -1}
"""The window that each role predicts in round t, counted from W_t. Only "future" is held out."""


@dataclass(frozen=True)
class RoundsPlan:
    """Which rounds to run.

    Attributes:
        rounds: How many.
        methods: Updaters. Each starts from S_0 and then updates only its own personas.
        roles: Which windows to predict from each persona; keys of `ROLE_OFFSETS`.
        windows_after: S_t is written only for users who have at least this many windows after W_t.
        without_failed: Leave out a user as soon as a persona could not be written. By default the old text is kept.
        search_n: Candidates of each update; 0 writes one persona greedily.
        prefix: Comes before the names of the stages.
    """

    rounds: int
    methods: Sequence[str]
    roles: Sequence[str] = ("future",)
    windows_after: int = 1
    without_failed: bool = False
    search_n: int = 0
    prefix: str = ""


@dataclass(frozen=True)
class Round:
    """The results of round t.

    Attributes:
        personas: `PERSONA` rows, including short-term personas.
        predictions: Calibrated `PREDICTION` rows.
        decisions: What a search decided (`SEARCH`); empty without a search.
    """

    personas: pa.Table
    predictions: pa.Table
    decisions: pa.Table


@dataclass(frozen=True)
class Loop:
    """What all rounds of a run use.

    Attributes:
        executor: Runs the stages.
        writer: The policy.
        predictors: The predictors.
        domains: By id.
        updaters: All that a plan may name.
    """

    executor: Executor
    writer: Writer
    predictors: Predictors
    domains: Mapping[str, Domain]
    updaters: Updaters = field(default_factory=lambda: MODULES)

    def initialise(self, windows: Windows) -> pa.Table:
        """Write S_0 of all users; rows are sorted by domain and user."""
        rows = [partial(update_row, key, "initialise", 0, None, windows[key], None) for key in sorted(windows)]
        return self.write("initialise", rows)

    def write(self, name: str, rows: Sequence[MakeRow], methods: Sequence[str] = ()) -> pa.Table:
        """Write personas from `UPDATE_INPUT` rows: S_0 without methods, else updates by these methods."""
        function = partial(update, updaters=self._named(methods)) if methods else initialise
        stage = write_stage(name, function, self.writer, self.domains)
        return self.executor.run(stage, MadeRows(rows, UPDATE_INPUT))

    def short_term(self, name: str, rows: Sequence[MakeRow]) -> pa.Table:
        """Write personas from the last window of `UPDATE_INPUT` rows alone."""
        return self.executor.run(write_stage(name, short_term, self.writer, self.domains), MadeRows(rows, UPDATE_INPUT))

    def predict(self, name: str, asked: Sequence[Asked]) -> pa.Table:
        """Predict windows from personas: uncalibrated `PREDICTION` rows."""
        return self.predictors.predict(self.executor, name, asked)

    def rounds(
        self, plan: RoundsPlan, first: Sequence[Row], predicted: pa.Table, windows: Windows, calibrator: Calibrator
    ) -> Iterator[Round]:
        """Update all personas and predict from them, round after round.

        Args:
            plan: Which rounds.
            first: S_0 of each user, as rows of `CARRIED`.
            predicted: Calibrated `PREDICTION` rows of W_1 from S_0.
            windows: The users' windows.
            calibrator: Calibrates the predictions. The next update compares these with what the user did.

        Yields:
            The results of round 1, 2, … Without users or methods there is no round.
        """
        current = {(key_of(row), method): row for row in first for method in plan.methods}
        points = points_of(predicted, 1)
        for t in range(1, plan.rounds + 1) if current else ():
            if plan.without_failed:
                current = {key: row for key, row in current.items() if not row["failure"]}
            rows = [
                partial(update_row, key, method, t, parent, windows[key], points.get(parent["id"]))
                for (key, method), parent in current.items()
                if len(windows[key]) > t + plan.windows_after
            ]
            if plan.search_n:
                written, decisions = self._search(t, plan, rows, current, calibrator)
            else:
                written = self.write(f"{plan.prefix}update-{t}", rows, plan.methods)
                decisions = SEARCH.empty_table()
            final = carried(written.filter(pc.field("stage") == "final"))
            ks = [t + ROLE_OFFSETS[role] for role in plan.roles]
            raw = self.predict(f"{plan.prefix}predict-{t}", asked_for(((row, ks) for row in final), windows))
            predictions = calibrator.calibrate(raw, self.domains)
            points = points_of(predictions, t + 1)
            current = {(key_of(row), row["method"]): row for row in final}
            yield Round(written, predictions, decisions)

    def planned(self, plan: RoundsPlan, windows: Windows) -> list[PlannedStage]:
        """List the stages of `rounds`, in order. Failures and equal personas can leave fewer rows than planned."""
        stages: list[PlannedStage] = []
        for t in range(1, plan.rounds + 1) if windows and plan.methods else ():
            users = [key for key, user_windows in windows.items() if len(user_windows) > t + plan.windows_after]
            keys = [key for key in users for _ in plan.methods]
            if plan.search_n:
                stages.append(PlannedStage(f"candidates-{t}", "write", len(keys) * plan.search_n))
                stages += self.predictors.planned(f"judge-{t}", keys * (plan.search_n + 1))
            else:
                stages.append(PlannedStage(f"{plan.prefix}update-{t}", "write", len(keys)))
            stages += self.predictors.planned(f"{plan.prefix}predict-{t}", keys)
        return stages

    def _named(self, methods: Sequence[str]) -> Updaters:
        return {name: self.updaters[name] for name in methods}

    def _search(
        self,
        t: int,
        plan: RoundsPlan,
        rows: Sequence[MakeRow],
        current: Mapping[tuple[Key, str], Row],
        calibrator: Calibrator,
    ) -> tuple[pa.Table, pa.Table]:
        """Sample candidates and choose among them: `PERSONA` rows of round t, and `SEARCH` rows."""
        updates = pa.Table.from_pylist([make() for make in rows], schema=UPDATE_INPUT)
        inputs = candidate_inputs(updates, self.writer.seed, plan.search_n)
        function = partial(draw, updaters=self._named(plan.methods))
        stage = write_stage(f"candidates-{t}", function, self.writer, self.domains, schema=CANDIDATE)
        drawn = self.executor.run(stage, inputs)
        raw = self.predict(f"judge-{t}", asked_to_choose(updates, inputs, drawn))
        predictions = calibrator.calibrate(raw, self.domains)
        parents = {row["id"]: row for row in current.values()}
        return choose(updates, inputs, drawn, predictions, parents, self.writer, self.domains)


def asked_for(wanted: Iterable[tuple[Row, Iterable[int]]], windows: Windows) -> list[Asked]:
    """List the windows to predict from each persona, without those that its user does not have.

    Args:
        wanted: Personas, each with the numbers of the windows to predict.
        windows: The users' windows.

    Returns:
        The personas that have at least one such window.
    """
    asked: list[Asked] = []
    for persona, ks in wanted:
        user_windows = windows[key_of(persona)]
        if targets := {k: user_windows[k] for k in ks if k < len(user_windows)}:
            asked.append((persona, targets))
    return asked


def carried(personas: pa.Table) -> list[Row]:
    """Reduce a `PERSONA` table to rows of the columns `CARRIED`."""
    return personas.select(CARRIED).to_pylist()


def points_of(predictions: pa.Table, k: int) -> dict[str, list[float]]:
    """The predicted points of W_k by persona id, without failed predictions."""
    read = predictions.filter((pc.field("k") == k) & (pc.field("failure") == ""))
    ids: list[Any] = read["persona_id"].to_pylist()
    points: list[Any] = read["points"].to_pylist()
    return dict(zip(ids, points, strict=True))
