"""Stages: functions from an Arrow table to an Arrow table, and what runs them."""

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
    """A function from a table to a table.

    Attributes:
        name: Names the stage's folder.
        function: The function. Rows of different shards must not depend on each other. It should be a partial function
            of what it uses (a policy, an engine, prompts), so that the code of these counts, too.
        schema: Of the output.
        settings: Everything besides code that decides the output: prompt version, engine fingerprint, seed …
        shard_rows: Rows of a shard.
        looked_up: What the function finds by a name in its rows, such as the updaters of a run.
    """

    name: str
    function: Callable[[pa.Table], pa.Table]
    schema: pa.Schema
    settings: Mapping[str, Any]
    shard_rows: int
    looked_up: Sequence[Any] = ()

    @cached_property
    def code(self) -> dict[str, str]:
        """The modules whose code decides the output, with a hash of each."""
        return code_modules(self.function, *self.looked_up)


@dataclass(frozen=True)
class PlannedStage:
    """A stage that a run will reach.

    Attributes:
        name: The stage's.
        kind: What its rows cost: stages of one kind take about the same time for a row ("write", "predict" …).
        rows: How many there will be, at most.
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


class InMemory:
    """Runs stages shard by shard in this process, and keeps nothing."""

    def run(self, stage: Stage, rows: Rows) -> pa.Table:
        """Run a stage over rows; the output keeps the order of the input."""
        starts = range(0, rows.num_rows, stage.shard_rows)
        parts = [stage.function(rows.slice(start, stage.shard_rows)).cast(stage.schema) for start in starts]
        return pa.concat_tables([stage.schema.empty_table(), *parts])
