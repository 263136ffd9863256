"""Stages and the executors that run them. A stage is a function from an Arrow table to an Arrow table.

A stage declares its name, its output schema and everything that decides its output. An executor feeds it rows shard by
shard, and may keep the shards to continue an interrupted run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa

from deeper.storage.code_hash import code_modules

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
    """A function from a table to a table, with what decides its output.

    Attributes:
        name: The stage's name, and that of its folder.
        function: The function. Output rows must depend only on input rows of the same shard. Bind what it uses (a
            policy, an engine, prompts) with `partial`: the code of these then counts as the stage's code.
        schema: Schema of the output.
        settings: Everything besides code that decides the output: prompt version, engine fingerprint, seed …
        shard_rows: Input rows of a shard.
        looked_up: What the function looks up by a name in its rows, such as updaters. Its code counts as well.
        ask_again: Columns of input and output that tell which output rows belong to an input row. With them, rows with
            a `failure` are not finished: a run that is continued asks for them again. Without any, failures stay.
    """

    name: str
    function: Callable[[pa.Table], pa.Table]
    schema: pa.Schema
    settings: Mapping[str, Any]
    shard_rows: int
    looked_up: Sequence[Any] = ()
    ask_again: Sequence[str] = ()

    @cached_property
    def code(self) -> dict[str, str]:
        """The modules whose code decides the output, each with its hash."""
        return code_modules(self.function, *self.looked_up)


@dataclass(frozen=True)
class PlannedStage:
    """A stage that a run will reach.

    Attributes:
        name: The stage's name.
        kind: Stages of one kind ("write", "predict" …) take about the same time for a row.
        rows: Number of input rows, at most.
    """

    name: str
    kind: str
    rows: int


class Rows(Protocol):
    """The input of a stage, which an executor reads shard by shard: a table, or rows that are made when read."""

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        ...

    def slice(self, offset: int, length: int) -> pa.Table:
        """The rows from `offset` on, at most `length`."""
        ...


@dataclass(frozen=True)
class MadeRows:
    """Rows that are made when they are read. All rows at once would take too much memory.

    Attributes:
        makers: One function for each row; it makes the row.
        schema: Schema of the rows.
    """

    makers: Sequence[Callable[[], dict[str, Any]]]
    schema: pa.Schema

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return len(self.makers)

    def slice(self, offset: int, length: int) -> pa.Table:
        """The rows from `offset` on, at most `length`."""
        rows = [make() for make in self.makers[offset : offset + length]]
        return pa.Table.from_pylist(rows, schema=self.schema)


class Executor(Protocol):
    """Runs stages: in this process, or over a cluster."""

    def run(self, stage: Stage, rows: Rows) -> pa.Table:
        """Run a stage over rows; the output keeps the order of the input."""
        ...


class InMemory:
    """Runs stages in this process, shard by shard, and stores nothing."""

    def run(self, stage: Stage, rows: Rows) -> pa.Table:
        """Run a stage over rows; the output keeps the order of the input."""
        starts = range(0, rows.num_rows, stage.shard_rows)
        parts = [stage.function(rows.slice(start, stage.shard_rows)).cast(stage.schema) for start in starts]
        return pa.concat_tables([stage.schema.empty_table(), *parts])
