"""Stages: functions from an Arrow table to an Arrow table, and what runs them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

COST = pa.schema(
    [
        pa.field("stage", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("calls", pa.int64(), nullable=False),
        pa.field("tokens_prompt", pa.int64(), nullable=False),
        pa.field("tokens_cached", pa.int64(), nullable=False),
        pa.field("tokens_generated", pa.int64(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Stage:
    """A function from a table to a table.

    Attributes:
        name: Names the stage's folder.
        version: Raised when the function's output changes for the same input.
        function: The function; rows of different shards must not depend on each other.
        schema: Of the output.
        settings: Everything else that decides the output (prompt version, engine fingerprint, seed …).
        shard_rows: Rows of a shard.
    """

    name: str
    version: int
    function: Callable[[pa.Table], pa.Table]
    schema: pa.Schema
    settings: Mapping[str, Any]
    shard_rows: int


@dataclass(frozen=True)
class PlannedStage:
    """A stage that a run will come to.

    Attributes:
        name: As `Stage.name`.
        kind: What it does with a row, such as "write" or "predict"; rows of one kind take about equally long.
        rows: How many rows it will read.
    """

    name: str
    kind: str
    rows: int


class Rows(Protocol):
    """What a stage reads shard by shard: a table, or rows that are made when they are read."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        ...

    def slice(self, offset: int, length: int) -> pa.Table:
        """Some of them; fewer at the end."""
        ...


@dataclass(frozen=True)
class MadeRows:
    """Rows that are made when they are read, since all of them together would take too much memory.

    Attributes:
        makers: Makes each row.
        schema: Of the rows.
    """

    makers: Sequence[Callable[[], dict[str, Any]]]
    schema: pa.Schema

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self.makers)

    def slice(self, offset: int, length: int) -> pa.Table:
        """Some of them; fewer at the end."""
        rows = [make() for make in self.makers[offset : offset + length]]
        return pa.Table.from_pylist(rows, schema=self.schema)


class Executor(Protocol):
    """Runs stages."""

    def run(self, stage: Stage, rows: Rows) -> pa.Table:
        """Run a stage over rows; the output keeps the order of the input."""
        ...
