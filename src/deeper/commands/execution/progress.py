"""Progress of a run: on a terminal one bar for all stages, elsewhere a line at least every 30 seconds.

Each stage ends with a line of its own. While a shard runs, the calls that it has made so far are counted.
"""

import time
from _thread import start_new_thread
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Lock, RLock

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task
from rich.text import Text

from deeper.commands.execution.time_left import Clock, TimeLeft, duration
from deeper.engine import Usage
from deeper.errors import printable
from deeper.storage.stage import PlannedStage

LINE_EVERY_SECONDS = 30.0
SHORTEST_WAIT_SECONDS = 0.01
WIDEST_BAR = 40
TEXT_COLUMNS = 64
"""Columns that the text beside the bar may take."""


class RunProgress:
    """Shows the stages of a run one after another."""

    def __init__(
        self, console: Console, clock: Clock = time.monotonic, line_every_seconds: float = LINE_EVERY_SECONDS
    ) -> None:
        """Show progress on `console` (standard error).

        Args:
            console: Where to show it.
            clock: Gives seconds; for tests.
            line_every_seconds: Longest silence where there is no terminal.
        """
        self._console, self._clock, self._every = console, clock, line_every_seconds
        self._used: Callable[[], Usage] = Usage
        self._left, self._last_line = TimeLeft(clock), clock() - line_every_seconds
        # Never held while rich is called: rich calls `state` with a lock of its own.
        self._lock = RLock()
        width = max(4, min(WIDEST_BAR, console.width - TEXT_COLUMNS))
        self._bars = Progress(
            BarColumn(width), _State(self), console=console, transient=True, disable=not console.is_interactive
        )
        self._task = self._bars.add_task("", total=None)

    def expect(self, stages: Sequence[PlannedStage]) -> None:
        """Take the stages that the run will come to, in order; without them, no time left is shown."""
        with self._lock:
            self._left.expect(stages)

    def note(self, text: str) -> None:
        """Print a note above the bar."""
        self._print(printable(f"note: {text}"))

    @contextmanager
    def stage(self, name: str, rows: int) -> Generator["StageProgress"]:
        """Show one stage of `rows` rows."""
        with self._lock:
            self._left.begin(name, rows)
        stage = StageProgress(self)
        with self._bars, self._lines():
            self._show()
            yield stage
        reused = f", {stage.reused} of them from an earlier run" if stage.reused else ""
        reused += f", {stage.again} that had failed asked again" if stage.again else ""
        rate = f", {stage.rate:.0f} tokens/s" if stage.rate else ""
        with self._lock:
            self._last_line = self._clock()
            line = f"{self._place()}: {rows} rows in {stage.seconds:.0f} s{rate}{reused}"
        self._print(line)

    @contextmanager
    def shard(self, used: Callable[[], Usage]) -> Generator[None]:
        """Show what a shard has used while it runs; `used` returns it at any time."""
        self._used = used
        try:
            yield
        finally:
            self._used = Usage

    def advance(self, rows: int, seconds: float | None) -> None:
        """Count one shard of the stage; `seconds` is None if it came from an earlier run."""
        with self._lock:
            self._left.advance(rows, seconds)
        self._show()

    @property
    def state(self) -> str:
        """Stage, count of stages, calls of the shard that runs, and time left, in one line."""
        with self._lock:
            of_total = f" of {self._left.total}" if self._left.total else ""
            return f"stage {self._left.number}{of_total}: {self._left.stage.name}{self._calls()}{self._time_left()}"

    def _show(self) -> None:
        """Move the bar; where there is no terminal, print a line if the last one is old."""
        with self._lock:
            completed = self._left.rows_done + self._left.done
            total = completed + self._left.rows_left
            is_due = not self._console.is_interactive and self._seconds_to_line() <= 0
            line = (
                f"{self._place()}: {self._left.done} of {self._left.stage.rows} rows{self._calls()}{self._time_left()}"
            )
            if is_due:
                self._last_line = self._clock()
        self._bars.update(self._task, completed=completed, total=total)
        if is_due:
            self._print(line)

    def _place(self) -> str:
        of_total = f"/{self._left.total}" if self._left.total else ""
        return f"[{self._left.number}{of_total}] {self._left.stage.name}"

    def _time_left(self) -> str:
        if not self._left.total:
            return ""
        seconds = self._left.seconds()
        return ", time left not known yet" if seconds is None else f", about {duration(seconds)} left"

    def _calls(self) -> str:
        calls = self._used().calls
        return f", {calls:,} call{'s' * (calls != 1)}" if calls else ""

    def _seconds_to_line(self) -> float:
        return self._last_line + self._every - self._clock()

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def _lines(self) -> Generator[None]:
        """Where there is no terminal, print lines while the stage runs, even if no shard ends."""
        if self._console.is_interactive:
            yield
            return
        ended, printing = Event(), Lock()

        def watch() -> None:
            while not ended.wait(max(SHORTEST_WAIT_SECONDS, self._seconds_to_line())):
                with printing:
                    if not ended.is_set():
                        self._show()

        # `threading.Thread.start` waits for ever if the new thread lacks memory to begin. These lines are no reason to
        # stop a run: without memory for a thread there are none between shards.
        with suppress(RuntimeError, MemoryError):
            start_new_thread(watch, ())
        try:
            yield
        finally:
            ended.set()
            with printing:
                pass


class StageProgress:
    """Counts of one stage; a shard from an earlier run costs no time and does not enter the rate."""

    def __init__(self, run: RunProgress) -> None:
        """Count for a run."""
        self._run = run
        self.tokens, self.seconds, self.reused, self.again = 0, 0.0, 0, 0

    @property
    def rate(self) -> float:
        """Tokens per second, read and generated."""
        return self.tokens / self.seconds if self.seconds else 0.0

    def advance(self, rows: int, usage: Usage | None, seconds: float, *, is_again: bool = False) -> None:
        """Count rows of a shard.

        Args:
            rows: How many.
            usage: What was used; None if the rows came from an earlier run.
            seconds: How long they took.
            is_again: Whether they had failed in an earlier run.
        """
        self.seconds += seconds
        self.again += rows if is_again else 0
        if usage is None:
            self.reused += rows
        else:
            self.tokens += usage.tokens_prompt - usage.tokens_cached + usage.tokens_generated
        self._run.advance(rows, None if usage is None else seconds)


class _State(ProgressColumn):
    """The run's state beside the bar; the time left counts down between shards."""

    def __init__(self, run: RunProgress) -> None:
        super().__init__()
        self._run = run

    def render(self, task: Task) -> Text:
        return Text(self._run.state, no_wrap=True, overflow="ellipsis")
