"""Predictors that share the users: each user is read by one that was not trained on that user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from deeper.behaviour.splits import part, share_out
from deeper.behaviour.users import Key, Windows
from deeper.commands.execution.engines import check_adapter, make_engines
from deeper.commands.execution.local_executor import LocalExecutor
from deeper.domains import Domain
from deeper.engine import Engine
from deeper.errors import UserError
from deeper.persona.calibration import Calibration, calibrate, fit_calibration
from deeper.persona.predict import predict
from deeper.persona.prompts.templates import Prompts
from deeper.persona.schema import PREDICTION
from deeper.storage.stage import Stage

READ_ROWS = 16


@dataclass(frozen=True)
class Readers:
    """The predictors of a run, and who reads whom.

    Attributes:
        engines: The predictors.
        shares: The users of each.
        prompts: The templates.
        domains: By id.
        readout: How predictions are read.
        calibrates: Whether each gets a map.
        seed: Seed of the structured readout's second attempt.
    """

    engines: Sequence[Engine]
    shares: Sequence[Sequence[Key]]
    prompts: Prompts
    domains: Mapping[str, Domain]
    readout: str
    calibrates: bool
    seed: int

    def read(self, executor: LocalExecutor, name: str, rows: pa.Table) -> pa.Table:
        """Uncalibrated `PREDICTION` rows of `PREDICT_INPUT` rows, each by its user's predictor."""
        tables = [PREDICTION.empty_table()]
        for engine, share in zip(self.engines, self.shares, strict=True):
            stage = read_stage(name, engine, self.prompts, self.domains, self.readout, self.seed)
            tables.append(executor.run(stage, _of(rows, share)))
        return pa.concat_tables(tables)

    def fit(self, first: pa.Table, windows: Windows) -> list[Calibration]:
        """The map of each predictor, fitted on its users' W_1 predicted from S_0; not on validation users.

        Where a predictor reads validation users only, its predictions stay as they are.
        """
        if not self.calibrates:
            return [Calibration({}, None) for _ in self.engines]
        fitting = [[key for key in share if part(*key) != "validation"] for share in self.shares]
        return [fit_calibration(_of(first, share), windows, self.domains) for share in fitting]

    def calibrate(self, predictions: pa.Table, maps: Sequence[Calibration]) -> pa.Table:
        """Apply the maps of `fit`."""
        shares = zip(self.shares, maps, strict=True)
        return pa.concat_tables([calibrate(_of(predictions, share), one, self.domains) for share, one in shares])


def read_stage(
    name: str, engine: Engine, prompts: Prompts, domains: Mapping[str, Domain], readout: str, seed: int
) -> Stage:
    """The stage of a run in which a predictor reads personas: `PREDICT_INPUT` to uncalibrated `PREDICTION` rows.

    Args:
        name: What the run calls it.
        engine: The predictor.
        prompts: The templates.
        domains: By id.
        readout: How predictions are read.
        seed: Seed of the structured readout's second attempt.
    """
    return Stage(
        name=name,
        version=2,
        function=lambda table: predict(table, engine, prompts, domains, readout, seed),
        schema=PREDICTION,
        settings={
            "engine": engine.fingerprint,
            "prompts": prompts.version,
            "readout": readout,
            "seed": seed,
            "domains": {name: repr(domain) for name, domain in sorted(domains.items())},
        },
        shard_rows=READ_ROWS,
    )


def make_readers(
    spec: str, adapters: Sequence[str], prompts: Prompts, keys: Sequence[Key]
) -> tuple[list[Engine], list[list[Key]]]:
    """The predictors, and the users of each.

    Args:
        spec: The engine.
        adapters: Folders, or NAME=FOLDER on a server; empty for the engine as it is.
        prompts: What it will be asked with.
        keys: The users.

    Raises:
        UserError: An engine cannot be made, an adapter does not fit, or a user has no predictor that was not trained
            on that user.
    """
    served = spec.startswith("openai:")
    named = [adapter.rpartition("=") if served else ("", "", adapter) for adapter in adapters]
    if served and any(not name for name, _, _ in named):
        raise UserError("an adapter on a server needs its name and its folder", do="write NAME=FOLDER")
    cards = [check_adapter("predictor", Path(folder), prompts.version_for("predictor")) for _, _, folder in named]
    shares = share_out(keys, [card.users for card in cards] or [frozenset()])
    names = [name or folder for name, _, folder in named] or [""]
    engines = [make_engines({"predictor": (spec, name)}, prompts)["predictor"] for name in names]
    return engines, shares


def _of(table: pa.Table, keys: Sequence[Key]) -> pa.Table:
    """The rows of some users."""
    wanted = set(keys)
    rows = zip(table["domain"].to_pylist(), table["user"].to_pylist(), strict=True)
    return table.filter(pa.array([row in wanted for row in rows], pa.bool_()))
