"""Progress says what is left, on a terminal and elsewhere, from a clock that the tests move."""

import io
import time

import pytest
from rich.console import Console

from deeper.commands.execution import progress as progress_module
from deeper.commands.execution.progress import RunProgress
from deeper.commands.execution.time_left import TimeLeft, duration
from deeper.engine import Usage
from deeper.storage.stage import PlannedStage

PLAN = [
    PlannedStage("initialise", "write", 10),
    PlannedStage("predict-0", "predict", 20),
    PlannedStage("update-1", "write", 30),
]
USED = Usage(calls=1, tokens_prompt=50, tokens_generated=50)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def planned(clock: Clock) -> TimeLeft:
    left = TimeLeft(clock)
    left.expect(PLAN)
    return left


def test_nothing_is_known_before_the_first_shard_and_without_a_plan(clock: Clock) -> None:
    left = planned(clock)
    left.begin("initialise", 10)
    assert left.seconds() is None and (left.number, left.total, left.rows_left) == (1, 3, 60)
    unplanned = TimeLeft(clock)
    unplanned.begin("initialise", 10)
    unplanned.advance(5, 10.0)
    assert unplanned.seconds() is None and unplanned.total == 0


def test_kinds_have_their_own_rates_and_unknown_kinds_the_mean(clock: Clock) -> None:
    left = planned(clock)
    left.begin("initialise", 10)
    left.advance(5, 10.0)  # 2 s a row
    assert left.seconds() == 5 * 2 + 20 * 2 + 30 * 2
    left.advance(5, 10.0)
    left.begin("predict-0", 20)
    left.advance(10, 5.0)  # 0.5 s a row
    assert left.seconds() == 10 * 0.5 + 30 * 2


def test_the_shard_that_runs_counts_down_but_not_below_the_later_stages(clock: Clock) -> None:
    left = planned(clock)
    left.begin("initialise", 10)
    left.advance(5, 10.0)
    clock.now += 4
    assert left.seconds() == 5 * 2 - 4 + 50 * 2
    clock.now += 100
    assert left.seconds() == 50 * 2


def test_shards_of_an_earlier_run_enter_no_rate(clock: Clock) -> None:
    left = planned(clock)
    left.begin("initialise", 10)
    left.advance(8, None)
    assert left.seconds() is None
    left.advance(1, 3.0)
    assert left.seconds() == 51 * 3


def test_stages_that_are_left_out_and_of_one_name_are_counted(clock: Clock) -> None:
    left = TimeLeft(clock)
    left.expect([PlannedStage(name, "predict", 4) for name in ("predict-0", "predict-0", "judge-1", "predict-1")])
    for name, number in (("predict-0", 1), ("predict-0", 2), ("predict-1", 4)):
        left.begin(name, 4)
        assert (left.number, left.total) == (number, 4)
    left.begin("more", 4)
    assert (left.number, left.total, left.rows_left) == (5, 5, 4)


def test_durations_are_in_words() -> None:
    assert [duration(s) for s in (0, 40, 100, 3600, 9000)] == ["1 s", "40 s", "2 minutes", "60 minutes", "2.5 hours"]


def console(width: int = 80, is_terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=is_terminal, color_system=None)


def written(where: Console) -> str:
    assert isinstance(where.file, io.StringIO)
    return where.file.getvalue()


def test_without_a_terminal_the_first_line_comes_at_once_and_later_ones_when_one_is_due(clock: Clock) -> None:
    where = console()
    progress = RunProgress(where, clock, 30)
    progress.expect(PLAN)
    with progress.stage("initialise", 10) as stage:
        assert written(where) == "[1/3] initialise: 0 of 10 rows, time left not known yet\n"
        clock.now += 20
        stage.advance(2, USED, 20.0)
        assert written(where).count("\n") == 1, "20 s after the last line none is due"
        clock.now += 20
        stage.advance(2, USED, 20.0)
        assert written(where).splitlines()[1] == "[1/3] initialise: 4 of 10 rows, about 9 minutes left"
        stage.advance(6, None, 0.0)
    assert (
        written(where).splitlines()[2] == "[1/3] initialise: 10 rows in 40 s, 5 tokens/s, 6 of them from an earlier run"
    )
    with progress.stage("predict-0", 20):
        assert written(where).count("\n") == 3


def test_without_a_plan_stages_are_counted_and_no_time_is_promised(clock: Clock) -> None:
    where = console()
    progress = RunProgress(where, clock)
    with progress.stage("initialise", 10) as stage:
        stage.advance(10, USED, 1.0)
    assert written(where).splitlines() == [
        "[1] initialise: 0 of 10 rows",
        "[1] initialise: 10 rows in 1 s, 100 tokens/s",
    ]


def test_lines_come_while_a_shard_takes_long_and_end_with_the_stage() -> None:
    where = console()
    progress = RunProgress(where, line_every_seconds=0.05)
    progress.expect(PLAN)
    with pytest.raises(KeyboardInterrupt), progress.stage("initialise", 10):
        ends = time.monotonic() + 10
        while written(where).count("0 of 10 rows") < 3 and time.monotonic() < ends:
            time.sleep(0.01)
        raise KeyboardInterrupt
    said = written(where)
    assert said.count("[1/3] initialise: 0 of 10 rows, time left not known yet\n") >= 3
    time.sleep(0.2)
    assert written(where) == said


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError()])
def test_without_memory_for_a_thread_a_stage_still_runs(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(progress_module, "start_new_thread", fail)
    where = console()
    progress = RunProgress(where)
    with progress.stage("initialise", 10) as stage:
        stage.advance(10, USED, 10.0)
    assert "initialise: 10 rows in 10 s" in written(where)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_on_a_terminal_one_bar_says_stage_count_and_time_left(clock: Clock, width: int) -> None:
    where = console(width, is_terminal=True)
    progress = RunProgress(where, clock)
    progress.expect(PLAN)
    with progress.stage("initialise", 10) as stage:
        stage.advance(5, USED, 10.0)
        progress._bars.refresh()
        shown = written(where)
    with where.capture() as captured:
        where.print(progress._bars.get_renderable())
    [line] = captured.get().splitlines()
    assert len(line) <= width
    assert "stage 1 of 3" in line
    if width >= 60:
        assert line.rstrip().endswith("stage 1 of 3: initialise, about 2 minutes left")
    assert "0 of 10 rows" not in shown, "no lines beside the bar"
    assert written(where).rstrip().endswith("[1/3] initialise: 10 rows in 10 s, 10 tokens/s")


@pytest.mark.parametrize("is_terminal", [False, True])
def test_calls_are_counted_while_a_shard_runs(clock: Clock, is_terminal: bool) -> None:
    where, used = console(is_terminal=is_terminal), Usage()
    progress = RunProgress(where, clock, 30)
    progress.expect(PLAN)
    with progress.stage("initialise", 10) as stage:
        with progress.shard(lambda: used):
            assert progress.state == "stage 1 of 3: initialise, time left not known yet"
            used.calls = 1234
            assert progress.state == "stage 1 of 3: initialise, 1,234 calls, time left not known yet"
            clock.now += 30
            progress._show()
        stage.advance(10, used, 10.0)
        assert "calls" not in progress.state
    line = "[1/3] initialise: 0 of 10 rows, 1,234 calls, time left not known yet\n"
    assert (line in written(where)) == (not is_terminal)
