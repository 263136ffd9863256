"""Progress of a run on the terminal: counts, tokens a second and time left; one line a stage elsewhere."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deeper.engine import Usage
from deeper.errors import printable
from deeper.storage.stage import PlannedStage


class RunProgress:
    """Shows stages one after another."""

    def __init__(self, console: Console) -> None:
        """Show progress on `console` (standard error)."""
        self._console, self._done = console, 0
        self._stages = 0
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def expect(self, stages: Sequence[PlannedStage]) -> None:
        """Take the stages that will come."""
        self._stages = len(stages)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(printable(f"note: {text}"), markup=False, highlight=False)

    @contextmanager
    def stage(self, name: str, rows: int) -> Generator["StageProgress"]:
        """Show one stage of `rows` rows."""
        self._done += 1
        title = f"[{self._done}/{self._stages}] {name}"
        with self._bars:
            task = self._bars.add_task(title.replace("[", "\\["), total=rows, rate="")
            stage = StageProgress(self._bars, task)
            yield stage
            self._bars.remove_task(task)
        reused = f", {stage.reused} of them from an earlier run" if stage.reused else ""
        rate = f", {stage.rate:.0f} tokens/s" if stage.rate else ""
        self._console.print(
            f"{title}: {rows} rows in {stage.seconds:.0f} s{rate}{reused}", markup=False, highlight=False
        )


@dataclass
class StageProgress:
    """Counts of one stage; a shard that was there already costs no time and does not enter the rate."""

    bars: Progress
    task: object
    tokens: int = 0
    seconds: float = 0.0
    reused: int = 0

    @property
    def rate(self) -> float:
        """Tokens a second, read and generated."""
        return self.tokens / self.seconds if self.seconds else 0.0

    def advance(self, rows: int, usage: Usage | None, seconds: float) -> None:
        """Count one shard; `usage` is None if it was there already."""
        self.seconds += seconds
        if usage is None:
            self.reused += rows
        else:
            self.tokens += usage.tokens_prompt - usage.tokens_cached + usage.tokens_generated
        self.bars.update(self.task, advance=rows, rate=f"{self.rate:.0f} tokens/s" if self.rate else "")  # type: ignore[arg-type]
