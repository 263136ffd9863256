"""Progress of a training: on a terminal a bar with loss, speed and time left, elsewhere a line every few steps."""

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from deeper.learning.training.trainer import Progress

STEPS_PER_LINE = 10
"""Where there is no terminal."""


class TrainingProgress:
    """Shows one training."""

    def __init__(self, console: Console) -> None:
        """Show progress on `console` (standard error)."""
        self._console = console
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bars.add_task("training", total=None, facts="")

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the bar."""
        self._bars.stop()

    def show(self, progress: "Progress") -> None:
        """Show a step."""
        if progress.task == "reference":
            facts = "pairs scored by the reference"
            self._bars.update(self._task, completed=progress.step, total=progress.steps, facts=facts)
            if not self._console.is_terminal:
                self._say(f"reference: {progress.step}/{progress.steps} pairs")
        if progress.loss is not None:
            facts = (
                f"loss {progress.loss:.4f}, {progress.examples_per_second:.2f} examples/s, "
                f"{progress.seconds_left / 60:.0f} min left"
            )
            self._bars.update(self._task, completed=progress.step, total=progress.steps, facts=facts)
            if not self._console.is_terminal and (
                progress.step % STEPS_PER_LINE == 0 or progress.step == progress.steps
            ):
                self._say(f"step {progress.step}/{progress.steps}: {facts}")
        if progress.validation:
            shown = ("loss", "accuracy", "margin", "kl", "mae", "user_median", "policy_mae")
            names = [name for name in shown if name in progress.validation]
            self._say(
                f"validation at step {progress.step}: "
                + ", ".join(f"{name} {progress.validation[name]:.4f}" for name in names)
            )

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
