"""The loop: initialise, predict, compare, update, round after round.

    S_0 from W_0 ─▶ P_1 from S_0 ─▶ for t = 1, 2, …: S_t from S_{t-1}, W_t and P_t ─▶ P_{t+1} from S_t

Each arrow is a stage. `deeper evaluate`, `deeper sample` and `PersonaTracker` all go through here, so the same windows
and engines give the same personas everywhere. A search of directions makes two stages of S_t: one draws candidates, one
predicts from them to choose the best.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from deeper.behaviour.users import Key, Windows
from deeper.domains import Domain
from deeper.persona.calibration import Calibrator
from deeper.persona.predict import Asked
from deeper.persona.predictors import Predictors
from deeper.persona.search import CANDIDATE, SEARCH, asked_to_choose, choose, draw, halves
from deeper.persona.stages import initialise, update, write_stage
from deeper.persona.update_input import UPDATE_INPUT, update_row
from deeper.persona.write import Writer
from deeper.storage.stage import Executor, MadeRows, PlannedStage

CARRIED = ("id", "user", "domain", "method", "k", "text", "tokens", "leaks", "failure")
"""What later stages need of a persona; whole rows as Python objects take many times what their table does."""
Row = dict[str, Any]
MakeRow = Callable[[], Row]
ROLES = {"future": 1, "current": 0, "previous": -1}
"""Which window a role predicts, counted from the round."""


@dataclass(frozen=True)
class Plan:
    """Which rounds to walk.

    Attributes:
        rounds: How many.
        methods: Updaters; each goes its own way from S_0.
        roles: Which windows each persona predicts; those of `ROLES`.
        windows_after: A persona S_t is only written where this many windows follow W_t.
        without_failed: Leave out users whose persona could not be written, instead of going on with the old text.
        search_n: Candidates of each update; 0 for one persona, written greedily.
        prefix: Stands before the names of the stages.
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
    """What round t gives.

    Attributes:
        personas: `PERSONA` rows, short-term ones among them.
        predictions: Calibrated `PREDICTION` rows.
        decisions: What a search has decided (`SEARCH`); no rows without one.
    """

    personas: pa.Table
    predictions: pa.Table
    decisions: pa.Table


@dataclass(frozen=True)
class Loop:
    """What all rounds of a run share.

    Attributes:
        executor: Runs the stages.
        writer: The policy.
        predictors: The predictors.
        domains: By id.
    """

    executor: Executor
    writer: Writer
    predictors: Predictors
    domains: Mapping[str, Domain]

    def initialise(self, windows: Windows) -> pa.Table:
        """S_0 of all users, sorted by domain and user."""
        rows = [partial(update_row, key, "initialise", 0, None, windows[key], None) for key in sorted(windows)]
        return self.write("initialise", rows)

    def write(self, name: str, rows: Sequence[MakeRow], methods: Sequence[str] = ()) -> pa.Table:
        """Personas of `UPDATE_INPUT` rows; without methods they are first ones."""
        function = update if methods else initialise
        stage = write_stage(name, function, self.writer, self.domains, methods=methods)
        return self.executor.run(stage, MadeRows(rows, UPDATE_INPUT))

    def predict(self, name: str, asked: Sequence[Asked]) -> pa.Table:
        """Uncalibrated predictions of windows from personas."""
        return self.predictors.predict(self.executor, name, asked)

    def rounds(
        self, plan: Plan, first: Sequence[Row], predicted: pa.Table, windows: Windows, calibrator: Calibrator
    ) -> Iterator[Round]:
        """Update all personas and predict from them, round after round.

        Args:
            plan: Which rounds.
            first: S_0 of each user, as rows of `CARRIED`.
            predicted: Calibrated `PREDICTION` rows of W_1 from S_0.
            windows: The users' windows.
            calibrator: Calibrates the predictions, which the next update compares with what the user did.
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
            ks = [t + ROLES[role] for role in plan.roles]
            raw = self.predict(f"{plan.prefix}predict-{t}", asked_for(((row, ks) for row in final), windows))
            one = Round(written, calibrator.calibrate(raw, self.domains), decisions)
            points = points_of(one.predictions, t + 1)
            current = {(key_of(row), row["method"]): row for row in final}
            yield one

    def planned(self, plan: Plan, windows: Windows) -> list[PlannedStage]:
        """The stages of `rounds`, in order; failures and ties can leave fewer rows than these."""
        stages: list[PlannedStage] = []
        for t in range(1, plan.rounds + 1) if windows and plan.methods else ():
            keys = [key for key, own in windows.items() if len(own) > t + plan.windows_after for _ in plan.methods]
            if plan.search_n:
                stages.append(PlannedStage(f"candidates-{t}", "write", len(keys) * plan.search_n))
                stages += self.predictors.planned(f"judge-{t}", keys * (plan.search_n + 1))
            else:
                stages.append(PlannedStage(f"{plan.prefix}update-{t}", "write", len(keys)))
            stages += self.predictors.planned(f"{plan.prefix}predict-{t}", keys)
        return stages

    def _search(
        self,
        t: int,
        plan: Plan,
        rows: Sequence[MakeRow],
        current: Mapping[tuple[Key, str], Row],
        calibrator: Calibrator,
    ) -> tuple[pa.Table, pa.Table]:
        """Personas of round t, and what was decided."""
        table = pa.Table.from_pylist([make() for make in rows], schema=UPDATE_INPUT)
        split = halves(table, self.writer.seed, plan.search_n)
        stage = write_stage(f"candidates-{t}", draw, self.writer, self.domains, schema=CANDIDATE, methods=plan.methods)
        drawn = self.executor.run(stage, split)
        raw = self.predict(f"judge-{t}", asked_to_choose(table, split, drawn))
        predictions = calibrator.calibrate(raw, self.domains)
        parents = {row["id"]: row for row in current.values()}
        return choose(table, split, drawn, predictions, parents, self.writer, self.domains)


def asked_for(wanted: Iterable[tuple[Row, Iterable[int]]], windows: Windows) -> list[Asked]:
    """The windows that personas will predict, as far as their users have them.

    Args:
        wanted: Personas, each with the numbers of windows.
        windows: The users' windows.
    """
    asked: list[Asked] = []
    for persona, ks in wanted:
        own = windows[key_of(persona)]
        if targets := {k: own[k] for k in ks if k < len(own)}:
            asked.append((persona, targets))
    return asked


def carried(personas: pa.Table) -> list[Row]:
    """Personas as rows of `CARRIED`."""
    return personas.select(CARRIED).to_pylist()


def key_of(row: Mapping[str, Any]) -> Key:
    """Domain and user of a row."""
    return row["domain"], row["user"]


def points_of(predictions: pa.Table, k: int) -> dict[str, list[float]]:
    """Points of W_k by persona; failed predictions are left out."""
    read = predictions.filter((pc.field("k") == k) & (pc.field("failure") == ""))
    ids: list[Any] = read["persona_id"].to_pylist()
    points: list[Any] = read["points"].to_pylist()
    return dict(zip(ids, points, strict=True))
