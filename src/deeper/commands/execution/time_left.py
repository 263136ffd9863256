"""Estimates how long a run still takes, from what its shards have taken so far."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from deeper.storage.stage import PlannedStage

Clock = Callable[[], float]


class TimeLeft:
    """The stages that are left of a run, and the seconds per row of each kind of stage.

    Rows from an earlier run take no time, so they enter no rate.

    Attributes:
        stage: The current stage.
        number: Its number, from 1.
        total: Number of stages; 0 without a plan.
        done: Rows done in the current stage.
        rows_done: Rows done in the stages before it.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        """Start without a plan; `clock` gives seconds."""
        self._clock = clock
        self._plan: list[PlannedStage] = []
        self._seconds, self._rows = defaultdict[str, float](float), defaultdict[str, int](int)
        self._last_shard = clock()
        self.stage = PlannedStage("", "", 0)
        self.number = self.total = self.done = self.rows_done = 0

    def expect(self, stages: Sequence[PlannedStage]) -> None:
        """Take the stages that will run, in order."""
        self._plan, self.total = list(stages), self.number + len(stages)

    def begin(self, name: str, rows: int) -> None:
        """Begin a stage; planned stages before it are skipped."""
        planned = [stage.name for stage in self._plan]
        self.rows_done, self.done, self.number = self.rows_done + self.done, 0, self.number + 1
        if name in planned:
            place = planned.index(name)
            self.stage, self._plan = replace(self._plan[place], rows=rows), self._plan[place + 1 :]
            self.number += place
        else:
            self.stage = PlannedStage(name, "", rows)
        if self.total:
            self.total = max(self.total, self.number)
        self._last_shard = self._clock()

    def advance(self, rows: int, seconds: float | None) -> None:
        """Count a shard; `seconds` is None if it came from an earlier run."""
        self.done += rows
        self._last_shard = self._clock()
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
        waited = self._clock() - self._last_shard
        return max(0.0, of_this - waited) + sum(rates.get(stage.kind, mean) * stage.rows for stage in self._plan)


def duration(seconds: float) -> str:
    """A duration in words, such as "40 s", "12 minutes" or "1.5 hours"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
