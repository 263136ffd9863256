import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.local_executor import LocalExecutor, _digest
from deeper.commands.execution.progress import RunProgress
from deeper.engine import Prompt, Sampling
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.errors import UserError
from deeper.persona.predict import PREDICT_INPUT
from deeper.storage.run_folder import RunFolder
from deeper.storage.stage import MadeRows, Stage

OUT = pa.schema([pa.field("double", pa.int64(), nullable=False)])
ROWS = pa.table({"n": pa.array(range(7), pa.int64())})


class Doubling:
    """Doubles, asks an engine once a shard, and remembers what it was called with; fails on `poison`."""

    def __init__(self, poison: int | None = None) -> None:
        self.engine, self.calls, self.poison = ScriptedEngine(), list[list[int]](), poison

    def __call__(self, table: pa.Table) -> pa.Table:
        numbers: list[Any] = table["n"].to_pylist()
        self.calls.append(numbers)
        if self.poison in numbers:
            raise KeyboardInterrupt
        self.engine.generate([Prompt("s", str(number)) for number in numbers], Sampling(9))
        return pa.table({"double": pa.array([2 * n for n in numbers], pa.int64())})


def stage(function: Callable[[pa.Table], pa.Table], **changes: Any) -> Stage:
    base = Stage("doubling", 1, function, OUT, {"engine": "fingerprint", "prompts": "v1", "seed": 1}, 3)
    return replace(base, **changes)


def executor(path: Path, function: Doubling, console: Console | None = None) -> LocalExecutor:
    progress = RunProgress(console or Console(file=io.StringIO()))
    engines = {"policy": function.engine, "predictor": function.engine}
    return LocalExecutor(RunFolder(path, Settings()), progress, engines)


def shards(path: Path, name: str = "doubling") -> list[str]:
    return sorted(p.name for p in (path / name).iterdir())


def test_rows_go_through_shard_by_shard_and_come_out_in_order(tmp_path: Path) -> None:
    function = Doubling()
    out = executor(tmp_path, function).run(stage(function), ROWS)
    assert out.schema == OUT
    assert out["double"].to_pylist() == [0, 2, 4, 6, 8, 10, 12]
    assert function.calls == [[0, 1, 2], [3, 4, 5], [6]]
    assert [name[:6] for name in shards(tmp_path)] == ["00000-", "00001-", "00002-"]


def test_rows_can_be_made_when_their_shard_is_read_and_are_the_same(tmp_path: Path) -> None:
    function, made, seen = Doubling(), list[int](), list[int]()

    def make(n: int) -> dict[str, Any]:
        made.append(n)
        return {"n": n}

    def read(table: pa.Table) -> pa.Table:
        seen.append(len(made))
        return function(table)

    rows = MadeRows([partial(make, n) for n in range(7)], ROWS.schema)
    assert rows.num_rows == 7 and made == []
    out = executor(tmp_path, function).run(stage(read), rows)
    assert seen == [3, 6, 7], "each shard's rows are made just before it is read"
    before = shards(tmp_path)
    assert executor(tmp_path, function).run(stage(read), ROWS) == out and shards(tmp_path) == before
    assert seen == [3, 6, 7], "shards of a table have the same names"


def test_what_is_there_is_not_done_again(tmp_path: Path) -> None:
    first, second = Doubling(), Doubling()
    whole = executor(tmp_path, first)
    out = whole.run(stage(first), ROWS)
    (tmp_path / "doubling" / shards(tmp_path)[1]).unlink()
    console = Console(file=io.StringIO())
    again = executor(tmp_path, second, console)
    assert again.run(stage(second), ROWS) == out
    assert second.calls == [[3, 4, 5]]
    assert "4 of them from an earlier run" in console.file.getvalue()  # type: ignore[attr-defined]
    assert [cost["calls"] for cost in again.costs] == [3, 3, 1], "costs of earlier runs are kept"


def test_a_run_that_is_cut_off_continues_and_ends_the_same(tmp_path: Path) -> None:
    poisoned, healthy, plain = Doubling(poison=4), Doubling(), Doubling()
    with pytest.raises(KeyboardInterrupt):
        executor(tmp_path / "cut", poisoned).run(stage(poisoned), ROWS)
    assert len(shards(tmp_path / "cut")) == 1
    out = executor(tmp_path / "cut", healthy).run(stage(healthy), ROWS)
    assert healthy.calls == [[3, 4, 5], [6]]
    assert out == executor(tmp_path / "whole", plain).run(stage(plain), ROWS)
    for name in shards(tmp_path / "whole"):
        one, other = (tmp_path / run / "doubling" / name for run in ("cut", "whole"))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"settings": {"engine": "other", "prompts": "v1", "seed": 1}},
        {"settings": {"engine": "fingerprint", "prompts": "v2", "seed": 1}},
        {"settings": {"engine": "fingerprint", "prompts": "v1", "seed": 2}},
        {"settings": {"engine": "fingerprint", "prompts": "v1", "seed": 1, "more": None}},
    ],
)
def test_whatever_decides_the_output_gives_shards_of_other_names(tmp_path: Path, changes: dict[str, Any]) -> None:
    function = Doubling()
    run = executor(tmp_path, function)
    run.run(stage(function), ROWS)
    before = shards(tmp_path)
    run.run(stage(function, **changes), ROWS)
    assert len(set(shards(tmp_path)) - set(before)) == 3
    assert len(function.calls) == 6


def test_a_changed_row_gives_its_shard_alone_another_name(tmp_path: Path) -> None:
    function = Doubling()
    run = executor(tmp_path, function)
    run.run(stage(function), ROWS)
    before = set(shards(tmp_path))
    changed = pa.table({"n": pa.array([0, 1, 2, 3, 44, 5, 6], pa.int64())})
    assert run.run(stage(function), changed)["double"].to_pylist()[4] == 88
    assert [name[:5] for name in set(shards(tmp_path)) - before] == ["00001"]


def test_the_order_of_settings_is_no_difference(tmp_path: Path) -> None:
    function = Doubling()
    run = executor(tmp_path, function)
    run.run(stage(function), ROWS)
    run.run(stage(function, settings={"seed": 1, "prompts": "v1", "engine": "fingerprint"}), ROWS)
    assert len(function.calls) == 3


def test_no_rows_are_no_shards(tmp_path: Path) -> None:
    function = Doubling()
    assert executor(tmp_path, function).run(stage(function), ROWS.slice(0, 0)) == OUT.empty_table()
    assert function.calls == []


def test_an_engine_that_is_policy_and_predictor_is_counted_once(tmp_path: Path) -> None:
    function = Doubling()
    run = executor(tmp_path, function)
    run.run(stage(function), ROWS)
    assert [(cost["stage"], cost["calls"]) for cost in run.costs] == [("doubling", n) for n in (3, 3, 1)]
    assert sum(cost["tokens_generated"] for cost in run.costs) == function.engine.usage.tokens_generated


def test_a_damaged_shard_is_named_and_deleting_it_mends_the_run(tmp_path: Path) -> None:
    function = Doubling()
    out = executor(tmp_path, function).run(stage(function), ROWS)
    for folder in ("doubling", "cost"):
        path = tmp_path / folder / shards(tmp_path, folder)[2]
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(UserError, match="damaged") as caught:
            executor(tmp_path, function).run(stage(function), ROWS)
        assert caught.value.where == str(path)
        function.calls.clear()
        path.unlink()
        assert executor(tmp_path, function).run(stage(function), ROWS) == out
        assert function.calls == [[6]]


def test_a_stage_of_another_schema_is_a_bug_and_leaves_no_shard(tmp_path: Path) -> None:
    function = Doubling()
    wrong = stage(lambda table: table)
    with pytest.raises(ValueError, match="schema"):
        executor(tmp_path, function).run(wrong, ROWS)
    assert not (tmp_path / "doubling").exists()


ITEM_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            **{name: st.text(max_size=3) for name in ("persona_id", "user", "domain", "persona")},
            "targets": st.lists(
                st.fixed_dictionaries({"k": st.integers(0, 9), "titles": st.lists(st.text(max_size=3), max_size=3)}),
                max_size=3,
            ),
        }
    ),
    min_size=1,
    max_size=6,
)


@given(ITEM_ROWS, ITEM_ROWS, st.integers(0, 6))
@settings(deadline=None)
def test_equal_tables_have_one_digest_however_they_lie_in_memory(
    rows: list[dict[str, Any]], others: list[dict[str, Any]], cut: int
) -> None:
    one = stage(lambda table: table)
    plain = pa.Table.from_pylist(rows, schema=PREDICT_INPUT)
    sliced = pa.Table.from_pylist(others + rows + others, schema=PREDICT_INPUT).slice(len(others), len(rows))
    chunked = pa.concat_tables([plain.slice(0, cut), plain.slice(cut)])
    assert _digest(one, plain) == _digest(one, sliced) == _digest(one, chunked)
    if rows != others:
        assert _digest(one, plain) != _digest(one, pa.Table.from_pylist(others, schema=PREDICT_INPUT))


def test_nulls_have_one_digest_however_they_lie_in_memory() -> None:
    schema = pa.schema([pa.field("parent", pa.string()), pa.field("predicted", pa.list_(pa.float32()))])
    rows = [{"parent": None, "predicted": [1.0]}, {"parent": "p", "predicted": None}]
    plain = pa.Table.from_pylist(rows[1:], schema=schema)
    sliced = pa.Table.from_pylist([*rows, *rows], schema=schema).slice(1, 1)
    one = stage(lambda table: table)
    assert _digest(one, plain) == _digest(one, sliced)
    assert _digest(one, plain) != _digest(one, pa.Table.from_pylist(rows[:1], schema=schema))
    full = pa.Table.from_pylist([{"parent": "p", "predicted": [1.0]}], schema=schema)
    mixed = pa.Table.from_pylist([*rows, {"parent": "p", "predicted": [1.0]}], schema=schema).slice(2)
    assert _digest(one, full) == _digest(one, mixed)
