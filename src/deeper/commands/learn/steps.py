"""Runs the steps of `deeper learn`, and skips those that are finished.

`steps/` holds a note of each step. A note's key hashes the step's settings, its code and the key of the last step that
this one builds on. A step is done again if its key has changed, or if calls to a server failed in it. Steps that build
on it are done again if it has more answers then.
"""

import gc
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import Field
from rich.console import Console

from deeper.commands.learn.layout import step_note
from deeper.commands.learn.report import LearningReport, Step
from deeper.commands.learn.start import digest
from deeper.evaluation.results_schema import FailedCalls
from deeper.storage.atomic import disk_errors
from deeper.storage.code_hash import code_modules, joint_hash
from deeper.storage.frozen_values import FrozenValues
from deeper.storage.run_folder import RunFolder
from deeper.storage.settings import RunSettings


@dataclass(frozen=True)
class Task:
    """The work of a step.

    Attributes:
        settings: Decide its result, besides its code and the steps before.
        code: The functions that do it.
        outcome: The file that it writes last; `run` returns its content.
        run: Does it.
        shards_report: The file that lists reused shards. A step without shards has none. It would take results in its
            folder for its own, so outdated ones are moved away first.
        feeds_later: Whether later steps build on its result.
    """

    settings: RunSettings
    code: tuple[Any, ...]
    outcome: Path
    run: Callable[[], dict[str, Any]]
    shards_report: Path | None
    feeds_later: bool = True


class StepNote(FrozenValues):
    """What `steps/` records of a step when it begins and when it ends.

    Attributes:
        key: Hash of all that decides the result.
        code_modules: The modules of the step's code, each with its hash.
        reused_modules: Modules that had changed since other code made a part of the result (`reuse_shards`).
        seconds: Duration; None until the step is finished.
        failed: How many calls failed that the step would make again, by what they were for.
    """

    key: str
    code_modules: dict[str, str] = Field(default_factory=dict)
    reused_modules: list[str] = Field(default_factory=list)
    seconds: float | None = None
    failed: dict[str, int] = Field(default_factory=dict)

    def outdated_modules(self, code: Mapping[str, str]) -> list[str]:
        """The modules that have changed between the step's result and `code`."""
        names = {*self.code_modules, *code}
        changed = {name for name in names if self.code_modules.get(name) != code.get(name)}
        return sorted({*self.reused_modules, *changed})


@dataclass
class Steps:
    """The steps, one after another.

    Attributes:
        folder: Keeps the notes.
        console: Gets a line for each step.
        report: Its `steps`, `reused_steps` and `notes` grow.
        key: Hash of what the first step starts from; then the key of the last step that later ones build on.
        reuse_shards: Keep steps whose code has changed since.
    """

    folder: RunFolder
    console: Console
    report: LearningReport
    key: str
    reuse_shards: bool = field(kw_only=True)

    def run(self, name: str, task: Task) -> dict[str, Any]:
        """Do a step unless it is finished; return the content of its outcome."""
        code = code_modules(*task.code)
        current = self._note(name, task, code)
        if not self.folder.has(step_note(name)):
            return self._do(name, task, current)
        old = StepNote.model_validate(self.folder.read_json(step_note(name)))
        outdated = old.outdated_modules(code)
        modules = f"({', '.join(outdated)})"
        if old.key != self._note(name, task, old.code_modules, old.reused_modules).key:
            return self._do(name, task, current, f"again: what it starts from has changed{_move_away(task)}")
        if outdated and not self.reuse_shards:
            why = f"again: the code has changed since {modules}; --reuse-shards keeps old results"
            return self._do(name, task, current, f"{why}{_move_away(task)}")
        by_old_code = f" by older code {modules}" if outdated else ""
        if old.seconds is None or not task.outcome.is_file():
            return self._do(name, task, self._note(name, task, code, outdated), f"begun before{by_old_code}")
        if old.failed:
            count = sum(old.failed.values())
            why = f"again: {count} call{'s' * (count != 1)} had failed"
            return self._do(name, task, self._note(name, task, code, outdated), why)
        self._say(name, f"done before{by_old_code}")
        found = json.loads(task.outcome.read_text("utf-8"))
        self._finish(name, task, old, found)
        return found

    def _do(self, name: str, task: Task, note: StepNote, remark: str = "") -> dict[str, Any]:
        """Do a step, and record it before and after.

        A step with shards is recorded only after it: its shards tell what is done, and a start that is refused must not
        bind the folder.
        """
        from deeper.learning.training.trainer import without_deprecations

        self._say(name, remark)
        if not task.shards_report:
            self.folder.write_json(step_note(name), note.model_dump(mode="json"))
        began = time.monotonic()
        with without_deprecations():
            found = task.run()
        seconds = round(time.monotonic() - began, 1)
        if task.shards_report:
            reused = json.loads(task.shards_report.read_text("utf-8"))["reused_shards"].values()
            note = self._note(name, task, note.code_modules, sorted(set[str]().union(*reused)))
        failed = {
            f"{entry['method']} {entry['what']}": entry["failed"]
            for entry in found.get("failed_calls", [])
            if entry["asked_again"]
        }
        note = note.model_copy(update={"seconds": seconds, "failed": failed})
        self.folder.write_json(step_note(name), note.model_dump(mode="json"))
        # Engines and their caches refer to each other, and the next step needs their memory.
        gc.collect()
        self._finish(name, task, note, found)
        return found

    def _note(self, name: str, task: Task, code: dict[str, str], reused: Sequence[str] = ()) -> StepNote:
        """The note of a step after the steps so far, by this code."""
        # Pairs made with --force are the same pairs.
        decides = task.settings.model_dump(mode="json", exclude={"force"})
        key = digest([self.key, name, decides, joint_hash(code), list(reused)])
        return StepNote(key=key, code_modules=code, reused_modules=list(reused))

    def _finish(self, name: str, task: Task, note: StepNote, found: Mapping[str, Any]) -> None:
        outdated = note.outdated_modules(code_modules(*task.code))
        if task.feeds_later:
            self.key = digest([note.key, note.failed]) if note.failed else note.key
        self.report.steps.append(Step(name=name, seconds=note.seconds or 0.0))
        failed = [FailedCalls.model_validate(entry) for entry in found.get("failed_calls", [])]
        named = [entry.model_copy(update={"method": f"{name}: {entry.method}"}) for entry in failed]
        self.report.failed_calls += named
        if outdated:
            self.report.reused_steps[name] = outdated
            self.report.notes.append(f"Step {name} keeps results of older code ({', '.join(outdated)} changed since).")

    def _say(self, name: str, remark: str) -> None:
        number, total = len(self.report.steps) + 1, self.report.steps_total
        line = f"Step {number} of {total}: {name}" + (f", {remark}" if remark else "")
        self.console.print(line, markup=False, highlight=False)


def _move_away(task: Task) -> str:
    """Rename the folder of an outdated result that has no shards; returns words that say so."""
    place = task.outcome.parent
    if task.shards_report or not place.exists():
        return ""
    unused = next(free for n in count(1) if not (free := place.with_name(f"{place.name}-old-{n}")).exists())
    with disk_errors(place):
        place.rename(unused)
    return f"; its old folder is now {unused.name}"
