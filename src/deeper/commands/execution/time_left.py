"""Estimates how long a run still takes, from what its shards have taken so far."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from deeper.storage.stage import PlannedStage

Clock = Callable[[], float]


class TimeLeft:
    """The stages of a run that are still to do, and the seconds per row of each kind of stage.

    Rows from an earlier run take no time, so they enter no rate.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        """Start without a plan; `clock` gives seconds."""
        self._clock = clock
        self._plan: list[PlannedStage] = []
        self._seconds, self._rows = defaultdict[str, float](float), defaultdict[str, int](int)
        self.number = self.total = self.rows_done = 0
        """The stage that runs, counted from 1; all stages, 0 if they are unknown; rows done in finished stages."""
        self.stage = PlannedStage("", "", 0)
        """The stage that runs."""
        self.done = 0
        """Rows done in it."""
        self._last = clock()

    def expect(self, stages: Sequence[PlannedStage]) -> None:
        """Take the stages that will run, in order."""
        self._plan, self.total = list(stages), self.number + len(stages)

    def begin(self, name: str, rows: int) -> None:
        """Begin a stage; planned stages before it are skipped."""
        names = [planned.name for planned in self._plan]
        skipped = names.index(name) if name in names else 0
        planned = self._plan[skipped] if name in names else PlannedStage(name, "", rows)
        self._plan = self._plan[skipped + (name in names) :]
        self.number += 1 + skipped
        self.total = max(self.total, self.number) if self.total else 0
        self.rows_done, self.stage, self.done = self.rows_done + self.done, replace(planned, rows=rows), 0
        self._last = self._clock()

    def advance(self, rows: int, seconds: float | None) -> None:
        """Count a shard; `seconds` is None if it came from an earlier run."""
        self.done += rows
        self._last = self._clock()
        if seconds is not None:
            kind = self.stage.kind
            self._seconds[kind], self._rows[kind] = self._seconds[kind] + seconds, self._rows[kind] + rows

    @property
    def rows_left(self) -> int:
        """Rows to do in this stage and in those after it."""
        return self.stage.rows - self.done + sum(stage.rows for stage in self._plan)

    def seconds(self) -> float | None:
        """Seconds until the end of the run; None without a plan, and before the first shard was measured.

        A kind that was not measured yet is assumed to take the mean of all measured rows.
        """
        measured = sum(self._rows.values())
        if not self.total or not measured:
            return None
        mean = sum(self._seconds.values()) / measured
        rates = {kind: self._seconds[kind] / rows for kind, rows in self._rows.items() if rows}
        of_this = rates.get(self.stage.kind, mean) * (self.stage.rows - self.done)
        waited = self._clock() - self._last
        return max(0.0, of_this - waited) + sum(rates.get(stage.kind, mean) * stage.rows for stage in self._plan)


def duration(seconds: float) -> str:
    """A duration in words, such as "40 s", "12 minutes" or "1.5 hours"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
