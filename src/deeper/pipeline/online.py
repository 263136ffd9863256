"""The online half of the method: initialise, predict, compare, refine, round after round, on held-out windows.

    S_0 from W_0 ─▶ P_1 from S_0 ─▶ calibration (train users) ─▶ for t = 1…: S_t from S_{t-1} and W_t ─▶ P_{t+1}

Each arrow is a stage: a function from a table to a table, run shard by shard by the executor.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from deeper.domains import Domain
from deeper.engine import Engine
from deeper.evaluation.schema import CONTROLS, UPDATERS
from deeper.persona.calibration import Calibration, calibrate, fit
from deeper.persona.predict import PREDICT_INPUT, predict
from deeper.persona.prompts import Prompts
from deeper.persona.schema import PERSONA, PREDICTION
from deeper.persona.stages import UPDATE_INPUT, controls, initialise, update
from deeper.persona.write import Writer
from deeper.pipeline.executor import LocalExecutor, Stage
from deeper.pipeline.population import Key, Population, Windows
from deeper.pipeline.settings import Settings

WRITE_ROWS = 40
READ_ROWS = 16
AHEAD = {"future": 1, "current": 0, "previous": -1}
"""Which window a role judges, counted from the round."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What the loop gives.

    Attributes:
        personas: All personas of eval users, controls included (`PERSONA`).
        predictions: All calibrated predictions for eval users (`PREDICTION`).
        calibration: The fitted maps.
        unread: Predictions for calibration users that failed, and so are in no map.
    """

    personas: pa.Table
    predictions: pa.Table
    calibration: Calibration
    unread: int


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
    executor: LocalExecutor
    policy: Engine
    predictor: Engine
    prompts: Prompts
    domains: Mapping[str, Domain]

    def stages(self) -> int:
        """How many stages `run` has."""
        return 2 + bool(self._chosen(CONTROLS)) + 2 * self.settings.rounds * bool(self._chosen(UPDATERS))

    def run(self, population: Population) -> Outcome:
        """Run all rounds."""
        rounds, windows = self.settings.rounds, population.eval
        first = self._initialise({**windows, **population.calibration})
        texts = {(row["domain"], row["user"]): row for row in first if (row["domain"], row["user"]) in windows}
        seen = range(rounds + 2) if "frozen" in self.settings.methods else [0, 1]
        seen = [k for k in seen if k or "current" in self.settings.roles or "previous" in self.settings.roles]
        wanted = [(row, seen if self._key(row) in windows else [1]) for row in first]
        raw = self._predict("predict-0", wanted, {**windows, **population.calibration})
        judged = [self._key(row) in windows for row in raw.select(["domain", "user"]).to_pylist()]
        own, others = pa.array(judged, pa.bool_()), pa.array([not mine for mine in judged], pa.bool_())
        for_fitting = raw.filter(others)
        calibration = self._fit(for_fitting, population.calibration)
        unread = sum(failure != "" for failure in for_fitting["failure"].to_pylist())
        personas: list[Row] = list(texts.values())
        predictions = [calibrate(raw.filter(own), calibration, self.domains)]

        if self._chosen(CONTROLS):
            rows = self._controls(windows)
            targets = [(row, range(1, rounds + 2) if row["method"] == "no_persona" else [row["k"] + 1]) for row in rows]
            predictions.append(
                calibrate(self._predict("predict-controls", targets, windows), calibration, self.domains)
            )
            personas += rows

        current = {(key, method): row for key, row in texts.items() for method in self._chosen(UPDATERS)}
        points = _points(predictions[0])
        for t in range(1, rounds + 1) if current else ():
            written = self._update(t, current, points, windows)
            final = [row for row in written if row["stage"] == "final"]
            ks = [t + AHEAD[role] for role in self.settings.roles]
            raw = self._predict(f"predict-{t}", [(row, ks) for row in final], windows)
            predictions.append(calibrate(raw, calibration, self.domains))
            points = _points(predictions[-1])
            current = {(self._key(row), row["method"]): row for row in final}
            personas += written
        table = pa.Table.from_pylist(personas, schema=PERSONA)
        return Outcome(table, pa.concat_tables(predictions), calibration, unread)

    def _initialise(self, windows: Windows) -> list[Row]:
        rows = [self._case(key, "initialise", 0, None, windows, None) for key in sorted(windows)]
        return self._write("initialise", initialise, rows)

    def _update(
        self,
        t: int,
        current: Mapping[tuple[Key, str], Row],
        points: Mapping[tuple[str, int], Any],
        windows: Windows,
    ) -> list[Row]:
        # Without in-sample roles, nothing judges a persona that has no next window.
        needed = 1 if self.settings.roles == ("future",) else 0
        rows = [
            self._case(key, method, t, parent, windows, points.get((parent["id"], t)))
            for (key, method), parent in current.items()
            if len(windows[key]) > t + needed
        ]
        return self._write(f"update-{t}", update, rows)

    def _write(self, name: str, function: Callable[..., pa.Table], rows: list[Row]) -> list[Row]:
        writer = Writer(self.policy, self.prompts, self.settings.max_persona_tokens, self.settings.seed)
        stage = Stage(
            name=name,
            version=1,
            function=lambda table: function(table, writer, self.domains),
            schema=PERSONA,
            settings={
                "engine": writer.engine.fingerprint,
                "prompts": writer.prompts.version,
                "max_tokens": writer.max_tokens,
                "seed": writer.seed,
                "domains": self._domain_settings(),
            },
            shard_rows=WRITE_ROWS,
        )
        return self.executor.run(stage, pa.Table.from_pylist(rows, schema=UPDATE_INPUT)).to_pylist()

    def _controls(self, windows: Windows) -> list[Row]:
        ks = {"no_persona": [0], "raw_history": list(range(self.settings.rounds + 1))}
        rows = [
            self._case(key, method, k, None, windows, None)
            for key in sorted(windows)
            for method in self._chosen(CONTROLS)
            for k in ks[method]
            if len(windows[key]) > k
        ]
        return controls(pa.Table.from_pylist(rows, schema=UPDATE_INPUT), self.domains).to_pylist()

    def _predict(self, name: str, wanted: Sequence[tuple[Row, Iterable[int]]], windows: Windows) -> pa.Table:
        rows: list[Row] = []
        for persona, ks in wanted:
            own = windows[self._key(persona)]
            targets = [{"k": k, "titles": [item["title"] for item in own[k]]} for k in ks if k < len(own)]
            if targets:
                names = {"persona_id": persona["id"], "user": persona["user"], "domain": persona["domain"]}
                rows.append({**names, "persona": persona["text"], "targets": targets})
        readout, seed = self.settings.readout, self.settings.seed
        stage = Stage(
            name=name,
            version=1,
            function=lambda table: predict(table, self.predictor, self.prompts, self.domains, readout, seed),
            schema=PREDICTION,
            settings={
                "engine": self.predictor.fingerprint,
                "prompts": self.prompts.version,
                "readout": readout,
                "seed": seed,
                "domains": self._domain_settings(),
            },
            shard_rows=READ_ROWS,
        )
        return self.executor.run(stage, pa.Table.from_pylist(rows, schema=PREDICT_INPUT))

    def _fit(self, raw: pa.Table, windows: Windows) -> Calibration:
        """Fit on S_0 → W_1 of train users, unless calibration is off."""
        if self.settings.calibration == "off":
            return Calibration({}, None)
        readouts: dict[str, list[Any]] = {}
        ratings: dict[str, list[float]] = {}
        for row in raw.to_pylist():
            actual = [item["rating"] for item in windows[self._key(row)][row["k"]]]
            if not row["failure"]:
                readouts.setdefault(row["domain"], []).extend(row["distribution"])
                ratings.setdefault(row["domain"], []).extend(actual)
        samples: list[tuple[Domain, Any, Any]] = []
        for name in sorted(readouts):
            actual = np.array(ratings[name])
            rated = self.domains[name].is_rated(actual)
            samples.append((self.domains[name], np.array(readouts[name])[rated], actual[rated]))
        return fit(samples)

    def _case(
        self,
        key: Key,
        method: str,
        k: int,
        parent: Row | None,
        windows: Windows,
        predicted: Sequence[float] | None,
    ) -> Row:
        """One row of `UPDATE_INPUT`: nothing behind W_k is in it."""
        return {
            "user": key[1],
            "domain": key[0],
            "method": method,
            "k": k,
            "parent": parent["id"] if parent else None,
            "persona": parent["text"] if parent else "",
            "windows": windows[key][: k + 1],
            "predicted": predicted,
        }

    def _chosen(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self.settings.methods]

    def _domain_settings(self) -> dict[str, str]:
        return {name: repr(domain) for name, domain in sorted(self.domains.items())}

    @staticmethod
    def _key(row: Row) -> Key:
        return row["domain"], row["user"]


def _points(predictions: pa.Table) -> dict[tuple[str, int], list[float]]:
    """Points by persona and window; failed predictions are left out."""
    return {(row["persona_id"], row["k"]): row["points"] for row in predictions.to_pylist() if not row["failure"]}
