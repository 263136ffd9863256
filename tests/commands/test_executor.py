"""The local executor: the contract of every executor, and what it does besides."""

import importlib
import io
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from executor_contract import ROWS, Doubling, ExecutorContract, Failing, make_stage, shard_files
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from deeper.commands.evaluate.settings import Settings
from deeper.commands.execution.local_executor import LocalExecutor, _digest
from deeper.commands.execution.progress import RunProgress
from deeper.engine.scripted.engine import ScriptedEngine
from deeper.errors import UserError
from deeper.persona.predict import PREDICT_INPUT
from deeper.storage.run_folder import RunFolder
from deeper.storage.stage import MadeRows


def make_executor(folder: Path, engine: ScriptedEngine, console: Console | None = None) -> LocalExecutor:
    progress = RunProgress(console or Console(file=io.StringIO()))
    # One engine for both roles, as most runs have it: its costs count once.
    return LocalExecutor(RunFolder(folder, Settings()), progress, {"policy": engine, "predictor": engine})


class TestLocalExecutor(ExecutorContract):
    def make(self, folder: Path, engine: ScriptedEngine) -> LocalExecutor:
        return make_executor(folder, engine)


@pytest.fixture(name="function")
def fixture_function(tmp_path: Path) -> Doubling:
    return Doubling(tmp_path / "calls")


def test_rows_are_made_just_before_their_shard_is_read(tmp_path: Path, function: Doubling) -> None:
    made, seen = list[int](), list[int]()

    def make(n: int) -> dict[str, Any]:
        made.append(n)
        return {"n": n}

    def read(table: pa.Table) -> pa.Table:
        seen.append(len(made))
        return function(table)

    rows = MadeRows([partial(make, n) for n in range(7)], ROWS.schema)
    assert rows.num_rows == 7 and made == []
    make_executor(tmp_path / "run", function.engine).run(make_stage(read), rows)
    assert seen == [3, 6, 7]


def test_progress_says_how_many_rows_an_earlier_run_has_finished(tmp_path: Path, function: Doubling) -> None:
    make_executor(tmp_path / "run", function.engine).run(make_stage(function), ROWS)
    (tmp_path / "run" / "doubling" / list(shard_files(tmp_path / "run"))[1]).unlink()
    console = Console(file=io.StringIO())
    make_executor(tmp_path / "run", function.engine, console).run(make_stage(function), ROWS)
    assert "4 of them from an earlier run" in console.file.getvalue()  # type: ignore[attr-defined]


def test_progress_says_how_many_rows_were_asked_again(tmp_path: Path) -> None:
    function = Failing(tmp_path / "calls", fails={1, 4})
    make_executor(tmp_path / "run", function.engine).run(function.stage(), ROWS)
    console = Console(file=io.StringIO())
    make_executor(tmp_path / "run", function.engine, console).run(function.stage(), ROWS)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert ", 5 of them from an earlier run, 2 that had failed asked again" in " ".join(said.split())


def test_a_damaged_shard_is_named_and_deleting_it_mends_the_run(tmp_path: Path, function: Doubling) -> None:
    run = tmp_path / "run"
    out = make_executor(run, function.engine).run(make_stage(function), ROWS)
    for folder in ("doubling", "cost"):
        path = sorted((run / folder).iterdir())[2]
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(UserError, match="damaged") as caught:
            make_executor(run, function.engine).run(make_stage(function), ROWS)
        assert caught.value.where == str(path)
        calls = len(function.calls)
        path.unlink()
        assert make_executor(run, function.engine).run(make_stage(function), ROWS) == out
        assert function.calls[calls:] == [[6]]


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
    one = make_stage(lambda table: table)
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
    one = make_stage(lambda table: table)
    assert _digest(one, plain) == _digest(one, sliced)
    assert _digest(one, plain) != _digest(one, pa.Table.from_pylist(rows[:1], schema=schema))
    full = pa.Table.from_pylist([{"parent": "p", "predicted": [1.0]}], schema=schema)
    mixed = pa.Table.from_pylist([*rows, {"parent": "p", "predicted": [1.0]}], schema=schema).slice(2)
    assert _digest(one, full) == _digest(one, mixed)


class TestChangedCode:
    """A stage whose function stands in a module of one's own, which is then edited."""

    @pytest.fixture
    def module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        monkeypatch.syspath_prepend(str(tmp_path))
        path = tmp_path / "tripling.py"
        path.write_text(
            "import pyarrow as pa\n\n\ndef triple(table):\n"
            "    return pa.table({'double': pa.array([3 * n for n in table['n'].to_pylist()], pa.int64())})\n",
            "utf-8",
        )
        yield path
        sys.modules.pop("tripling", None)

    def run(self, path: Path, console: Console | None = None, **options: Any) -> tuple[list[int], LocalExecutor]:
        sys.modules.pop("tripling", None)
        importlib.invalidate_caches()
        function = importlib.import_module("tripling").triple
        progress = RunProgress(console or Console(file=io.StringIO()))
        local = LocalExecutor(RunFolder(path, Settings()), progress, {}, **options)
        return local.run(make_stage(function), ROWS)["double"].to_pylist(), local

    def test_makes_the_shards_again_and_says_why(self, module: Path, tmp_path: Path) -> None:
        assert self.run(tmp_path / "run")[0] == [0, 3, 6, 9, 12, 15, 18]
        before = shard_files(tmp_path / "run")
        module.write_text(module.read_text("utf-8").replace("3 * n", "40 * n"), "utf-8")
        console = Console(file=io.StringIO(), width=300)
        assert self.run(tmp_path / "run", console)[0] == [40 * n for n in range(7)]
        said = console.file.getvalue()  # type: ignore[attr-defined]
        assert "doubling: the code has changed since (tripling)" in said
        assert "3 shards to make again, 0 calls; --reuse-shards keeps what is there" in said
        assert len(shard_files(tmp_path / "run").keys() - before.keys()) == 3
        again = Console(file=io.StringIO(), width=300)
        self.run(tmp_path / "run", again)
        assert "changed" not in again.file.getvalue()  # type: ignore[attr-defined]

    def test_keeps_the_shards_where_only_a_comment_is_new(self, module: Path, tmp_path: Path) -> None:
        self.run(tmp_path / "run")
        before = shard_files(tmp_path / "run")
        module.write_text(module.read_text("utf-8").replace("def triple", "# Threefold.\ndef triple"), "utf-8")
        self.run(tmp_path / "run")
        assert shard_files(tmp_path / "run") == before

    def test_keeps_them_where_that_is_asked_for_and_remembers_it(self, module: Path, tmp_path: Path) -> None:
        old, first = self.run(tmp_path / "run")
        before = shard_files(tmp_path / "run")
        module.write_text(module.read_text("utf-8").replace("3 * n", "40 * n"), "utf-8")
        console = Console(file=io.StringIO(), width=300)
        found, local = self.run(tmp_path / "run", console, reuse_shards=True)
        assert (found, shard_files(tmp_path / "run")) == (old, before)
        assert (first.reused, local.reused) == ({}, {"doubling": ["tripling"]})
        assert "3 shards kept where the input is the same" in console.file.getvalue()  # type: ignore[attr-defined]

    def test_keeps_the_newest_of_several_old_shards(self, module: Path, tmp_path: Path) -> None:
        for factor in (3, 40, 500, 6000):
            module.write_text(module.read_text("utf-8").replace("3 * n", f"{factor} * n"), "utf-8")
            self.run(tmp_path / "run")
            module.write_text(module.read_text("utf-8").replace(f"{factor} * n", "3 * n"), "utf-8")
        module.write_text(module.read_text("utf-8").replace("3 * n", "7 * n + 0"), "utf-8")
        found, _ = self.run(tmp_path / "run", reuse_shards=True)
        assert found == [6000 * n for n in range(7)]

    def test_remembers_nothing_where_no_old_shard_is_taken(self, module: Path, tmp_path: Path) -> None:
        self.run(tmp_path / "run")
        module.write_text(module.read_text("utf-8").replace("3 * n", "40 * n"), "utf-8")
        (tmp_path / "run").rename(tmp_path / "elsewhere")
        found, local = self.run(tmp_path / "run", reuse_shards=True)
        assert (found[1], local.reused) == (40, {})


def test_the_calls_of_a_shard_are_shown_while_it_runs(tmp_path: Path, function: Doubling) -> None:
    progress, seen = RunProgress(Console(file=io.StringIO())), list[str]()

    def watched(table: pa.Table) -> pa.Table:
        result = function(table)
        seen.append(progress.state)
        return result

    folder = RunFolder(tmp_path / "run", Settings())
    LocalExecutor(folder, progress, {"policy": function.engine}).run(make_stage(watched), ROWS)
    assert seen == ["stage 1: doubling, 3 calls"] * 2 + ["stage 1: doubling, 1 call"]
