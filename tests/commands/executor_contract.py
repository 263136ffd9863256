"""What every executor must do: inherit `ExecutorContract` and make the executor.

class TestMine(ExecutorContract):
    def make(self, folder, engine):
        return MyExecutor(RunFolder(folder, Settings()), engine)

A stage may run in another process: its function writes down what it was called with in a file. `test_executor.py` holds
the contract of `LocalExecutor`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from deeper.engine import Prompt, Sampling
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.storage.stage import Executor, MadeRows, Stage

INPUT = pa.schema([pa.field("n", pa.int64())])
OUTPUT = pa.schema([pa.field("double", pa.int64(), nullable=False)])
SETTINGS: Mapping[str, Any] = {"engine": "fingerprint", "prompts": "v1", "seed": 1}
SHARD_ROWS = 3
ROWS = pa.table({"n": range(7)}, INPUT)
DOUBLED = [0, 2, 4, 6, 8, 10, 12]


def make_stage(
    function: Callable[[pa.Table], pa.Table], settings: Mapping[str, Any] = SETTINGS, schema: pa.Schema = OUTPUT
) -> Stage:
    """The stage of all tests: three rows a shard."""
    return Stage("doubling", function, schema, settings, SHARD_ROWS)


class Doubling:
    """Doubles numbers, asks an engine about each, and writes down each call; fails where it meets `poison`."""

    def __init__(self, log: Path, poison: int | None = None) -> None:
        self.engine, self.log, self.poison = ScriptedEngine(), log, poison

    def __call__(self, table: pa.Table) -> pa.Table:
        numbers: list[Any] = table["n"].to_pylist()
        with self.log.open("a") as log:
            log.write(json.dumps(numbers) + "\n")
        self.engine.generate([Prompt("s", str(number)) for number in numbers], Sampling(9))
        if self.poison in numbers:
            raise RuntimeError("poisoned")
        return pa.table({"double": pa.array([2 * n for n in numbers], pa.int64())})

    @property
    def calls(self) -> list[list[int]]:
        """The rows of each call so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


class Failing(Doubling):
    """Writes numbers as texts, and fails at some of them; writes down each call as `Doubling` does."""

    SCHEMA = pa.schema([pa.field("n", pa.int64()), pa.field("text", pa.string()), pa.field("failure", pa.string())])

    def __init__(self, log: Path, fails: set[int]) -> None:
        super().__init__(log)
        self.fails = fails

    def __call__(self, table: pa.Table) -> pa.Table:
        super().__call__(table)
        rows = [
            {"n": n, "text": "" if n in self.fails else str(n), "failure": "HTTP 500" * (n in self.fails)}
            for n in table["n"].to_pylist()
        ]
        return pa.Table.from_pylist(rows, schema=self.SCHEMA)

    def stage(self, ask_again: Sequence[str] = ("n",)) -> Stage:
        """The stage that calls it."""
        return Stage("doubling", self, self.SCHEMA, SETTINGS, SHARD_ROWS, ask_again=ask_again)


def shard_files(folder: Path) -> dict[str, bytes]:
    """The shards of the stage, by name."""
    return {path.name: path.read_bytes() for path in sorted((folder / "doubling").glob("*.parquet"))}


class ExecutorContract:
    """What a stage and a run folder ask of an executor. It has `costs`: a `COST` row for each shard that was used."""

    def make(self, folder: Path, engine: ScriptedEngine) -> Executor:
        """A new executor over a run folder that is new or was used before; the function asks `engine`."""
        raise NotImplementedError("override `make`")

    @pytest.fixture
    def function(self, tmp_path: Path) -> Doubling:
        return Doubling(tmp_path / "calls")

    def run(
        self, folder: Path, function: Doubling, rows: Any = ROWS, **changes: Any
    ) -> tuple[list[int], Sequence[Mapping[str, Any]]]:
        """What a stage makes of rows with a new executor, and its costs."""
        executor: Any = self.make(folder, function.engine)
        table = executor.run(make_stage(function, **changes), rows)
        assert table.schema == OUTPUT
        return table["double"].to_pylist(), executor.costs

    def test_rows_go_through_shard_by_shard_and_keep_their_order(self, tmp_path: Path, function: Doubling) -> None:
        assert self.run(tmp_path / "run", function)[0] == DOUBLED
        assert sorted(function.calls) == [[0, 1, 2], [3, 4, 5], [6]]
        assert [name[:6] for name in shard_files(tmp_path / "run")] == ["00000-", "00001-", "00002-"]

    def test_no_rows_are_no_call_and_no_shard(self, tmp_path: Path, function: Doubling) -> None:
        assert self.run(tmp_path / "run", function, ROWS.slice(0, 0)) == ([], [])
        assert function.calls == []
        assert shard_files(tmp_path / "run") == {}

    def test_rows_that_are_made_when_they_are_read_give_the_same_shards(
        self, tmp_path: Path, function: Doubling
    ) -> None:
        made = MadeRows([lambda n=n: {"n": n} for n in range(7)], INPUT)
        assert self.run(tmp_path / "run", function, made)[0] == DOUBLED
        assert self.run(tmp_path / "run", function)[0] == DOUBLED
        assert len(function.calls) == 3

    def test_a_finished_shard_is_not_asked_for_again(self, tmp_path: Path, function: Doubling) -> None:
        self.run(tmp_path / "run", function)
        before = shard_files(tmp_path / "run")
        (tmp_path / "run" / "doubling" / list(before)[1]).unlink()
        assert self.run(tmp_path / "run", function)[0] == DOUBLED
        assert function.calls[3:] == [[3, 4, 5]]
        assert shard_files(tmp_path / "run") == before

    def test_shards_do_not_depend_on_how_a_table_is_chunked(self, tmp_path: Path, function: Doubling) -> None:
        self.run(tmp_path / "run", function)
        chunked = pa.concat_tables([ROWS.slice(0, 1), ROWS.slice(1, 4), ROWS.slice(5)])
        inside = pa.concat_tables([ROWS, ROWS]).slice(7)
        for rows in (chunked, inside):
            assert self.run(tmp_path / "run", function, rows)[0] == DOUBLED
        assert len(function.calls) == 3

    @pytest.mark.parametrize("change", [{"engine": "other"}, {"prompts": "v2"}, {"seed": 2}, {"more": None}])
    def test_another_setting_is_another_shard(
        self, tmp_path: Path, function: Doubling, change: Mapping[str, Any]
    ) -> None:
        self.run(tmp_path / "run", function)
        before = shard_files(tmp_path / "run")
        self.run(tmp_path / "run", function, settings={**SETTINGS, **change})
        after = shard_files(tmp_path / "run")
        assert len(after) == 6 and before.items() <= after.items()

    def test_the_order_of_settings_does_not_matter(self, tmp_path: Path, function: Doubling) -> None:
        self.run(tmp_path / "run", function)
        self.run(tmp_path / "run", function, settings=dict(reversed(SETTINGS.items())))
        assert len(function.calls) == 3

    def test_a_changed_row_changes_its_shard_alone(self, tmp_path: Path, function: Doubling) -> None:
        self.run(tmp_path / "run", function)
        before = shard_files(tmp_path / "run").keys()
        changed = pa.table({"n": [0, 1, 2, 3, 44, 5, 6]}, INPUT)
        assert self.run(tmp_path / "run", function, changed)[0] == [0, 2, 4, 6, 88, 10, 12]
        assert [name[:5] for name in shard_files(tmp_path / "run").keys() - before] == ["00001"]

    def test_a_function_that_raises_leaves_whole_shards_and_nothing_else(self, tmp_path: Path) -> None:
        poisoned = Doubling(tmp_path / "calls", poison=6)
        with pytest.raises(RuntimeError, match="poisoned"):
            self.run(tmp_path / "run", poisoned)
        whole = Doubling(tmp_path / "other calls")
        self.run(tmp_path / "whole", whole)
        left, expected = shard_files(tmp_path / "run"), shard_files(tmp_path / "whole")
        assert left.items() < expected.items()
        assert not any(name.startswith("00002") for name in left)
        assert not list((tmp_path / "run").rglob("*.part"))

    def test_a_resumed_run_equals_an_uninterrupted_one(self, tmp_path: Path) -> None:
        poisoned, healthy = Doubling(tmp_path / "cut", poison=4), Doubling(tmp_path / "resumed")
        with pytest.raises(RuntimeError, match="poisoned"):
            self.run(tmp_path / "run", poisoned)
        finished = len(shard_files(tmp_path / "run"))
        out, _ = self.run(tmp_path / "run", healthy)
        assert len(healthy.calls) == 3 - finished
        whole = Doubling(tmp_path / "whole calls")
        assert out == self.run(tmp_path / "whole", whole)[0] == DOUBLED
        assert shard_files(tmp_path / "run") == shard_files(tmp_path / "whole")

    def test_only_rows_that_failed_are_asked_again_and_take_their_places(self, tmp_path: Path) -> None:
        function = Failing(tmp_path / "calls", fails={1, 4, 5})
        assert self.run_again(tmp_path / "run", function) == ["0", "", "2", "3", "", "", "6"]
        before = shard_files(tmp_path / "run")
        function.fails = {4}
        assert self.run_again(tmp_path / "run", function) == ["0", "1", "2", "3", "", "5", "6"]
        assert function.calls[3:] == [[1], [4, 5]]
        assert shard_files(tmp_path / "run").keys() == before.keys()
        function.fails = set()
        assert self.run_again(tmp_path / "run", function) == [str(n) for n in range(7)]
        assert function.calls[5:] == [[4]]
        self.run_again(tmp_path / "run", function)
        assert len(function.calls) == 6, "nothing failed"
        spent = function.engine.usage.calls
        executor: Any = self.make(tmp_path / "run", function.engine)
        executor.run(function.stage(), ROWS)
        assert sum(cost["calls"] for cost in executor.costs) == spent, "a shard keeps the cost of all its calls"

    def run_again(self, folder: Path, function: "Failing") -> list[str]:
        """The texts of a stage whose calls may fail, by a new executor."""
        return self.make(folder, function.engine).run(function.stage(), ROWS)["text"].to_pylist()

    def test_failures_that_would_fail_again_are_kept(self, tmp_path: Path) -> None:
        function = Failing(tmp_path / "calls", fails={1})
        for _ in range(2):
            executor = self.make(tmp_path / "run", function.engine)
            executor.run(function.stage(ask_again=()), ROWS)
        assert len(function.calls) == 3

    def test_the_cost_of_each_shard_is_counted_once_and_kept(self, tmp_path: Path, function: Doubling) -> None:
        _, costs = self.run(tmp_path / "run", function)
        assert [(cost["stage"], cost["shard"][:5], cost["calls"]) for cost in costs] == [
            ("doubling", "00000", 3),
            ("doubling", "00001", 3),
            ("doubling", "00002", 1),
        ]
        spent = function.engine.usage
        for name in ("tokens_prompt", "tokens_generated"):
            assert sum(cost[name] for cost in costs) == getattr(spent, name) > 0
        _, again = self.run(tmp_path / "run", function)
        assert list(again) == list(costs), "finished shards keep the cost that they had"

    def test_another_schema_than_the_stage_has_is_a_bug_and_leaves_no_shard(
        self, tmp_path: Path, function: Doubling
    ) -> None:
        other = pa.schema([pa.field("other", pa.int64())])
        executor = self.make(tmp_path / "run", function.engine)
        with pytest.raises(ValueError, match="schema"):
            executor.run(make_stage(function, schema=other), ROWS)
        assert shard_files(tmp_path / "run") == {}
