"""The steps of `deeper learn`: which are done, which are kept, and what is said of them. The steps here do little."""

import importlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deeper.commands.learn.learn import CODE, empty_report, step_code
from deeper.commands.learn.report import LearningReport
from deeper.commands.learn.settings import LearnSettings
from deeper.commands.learn.start import starting_points
from deeper.commands.learn.steps import Steps, Task
from deeper.storage.code_hash import code_modules
from deeper.storage.run_folder import RunFolder

MODULES = ("judging", "sampling", "training")
SETTINGS = LearnSettings()


class Run:
    """A run of three steps, each by a module of its own: a validation, one with shards, one without."""

    def __init__(self, place: Path) -> None:
        self.place, self.out = place, place / "out"
        self.reused: dict[str, list[str]] = {}
        self.done: list[str] = []
        self.fails_at = ""
        self.failed: dict[str, int] = {}
        for name in MODULES:
            self.edit(name, "1")

    def edit(self, name: str, result: str, comment: str = "") -> None:
        (self.place / f"{name}.py").write_text(f"{comment}\n\n\ndef work():\n    return {result}\n", "utf-8")

    def __call__(self, key: str = "start", *, reuse_shards: bool = False) -> tuple[list[str], LearningReport]:
        """What the steps said, without their numbers, and the report."""
        console, report = Console(file=io.StringIO(), width=500), empty_report(SETTINGS)
        steps = Steps(RunFolder(self.out, SETTINGS), console, report, key, reuse_shards=reuse_shards)
        self.done = []
        for name in MODULES:
            has_shards, feeds_later = name != "training", name != "judging"
            steps.run(name, self.task(name, has_shards, feeds_later))
        said = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert [line.partition(": ")[0] for line in said] == [f"Step {i} of 11" for i in (1, 2, 3)]
        return [line.partition(": ")[2] for line in said], report

    def task(self, name: str, has_shards: bool, feeds_later: bool) -> Task:
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        work = importlib.import_module(name).work
        outcome = self.out / name / "outcome.json"

        def run() -> dict[str, Any]:
            self.done.append(name)
            outcome.parent.mkdir(parents=True, exist_ok=True)
            if name == self.fails_at:
                raise KeyboardInterrupt
            count = self.failed.get(name, 0)
            call = {"method": "refine", "what": "personas", "failed": count, "calls": 9, "reason": "HTTP 500"}
            content = {
                "found": work(),
                "reused_shards": self.reused if has_shards else {},
                "failed_calls": [{**call, "asked_again": True}] if count else [],
            }
            outcome.write_text(json.dumps(content), "utf-8")
            return content

        return Task(SETTINGS, (work,), outcome, run, outcome if has_shards else None, feeds_later)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Run(tmp_path)
    for name in MODULES:
        sys.modules.pop(name, None)


DONE = [f"{name}, done before" for name in MODULES]
SINCE = "again: the code has changed since (sampling); --reuse-shards keeps old results"


def test_a_finished_step_is_not_repeated_and_a_comment_changes_nothing(run: Run) -> None:
    assert run()[0] == list(MODULES)
    run.edit("sampling", "1", comment="# One.")
    assert run()[0] == DONE
    assert run.done == []


def test_a_step_of_other_code_is_done_again_and_so_is_what_builds_on_it(run: Run) -> None:
    run()
    run.edit("sampling", "2")
    said, report = run()
    moved = "training, again: what it starts from has changed; its old folder is now training-old-1"
    assert said == [DONE[0], f"sampling, {SINCE}", moved]
    assert run.done == ["sampling", "training"]
    assert (run.out / "training-old-1/outcome.json").is_file() and (run.out / "training/outcome.json").is_file()
    assert report.reused_steps == {}
    assert run()[0] == DONE


def test_nothing_builds_on_a_validation(run: Run) -> None:
    run()
    run.edit("judging", "2")
    run()
    assert run.done == ["judging"]


def test_old_steps_are_kept_on_demand_and_the_report_lists_them(run: Run) -> None:
    run()
    run.edit("sampling", "2")
    said, report = run(reuse_shards=True)
    assert said == [DONE[0], "sampling, done before by older code (sampling)", DONE[2]]
    assert run.done == []
    assert report.reused_steps == {"sampling": ["sampling"]}
    assert report.notes == ["Step sampling keeps results of older code (sampling changed since)."]
    assert run()[0][1] == f"sampling, {SINCE}", "without the flag nothing old counts"


def test_another_start_repeats_everything_even_with_old_steps_kept(run: Run) -> None:
    run()
    said, _ = run("another", reuse_shards=True)
    assert [line.partition(";")[0] for line in said] == [
        f"{name}, again: what it starts from has changed" for name in MODULES
    ]
    assert run.done == list(MODULES)


def test_a_step_that_reused_shards_counts_only_where_that_is_asked_for(run: Run) -> None:
    run.reused = {"predict": ["sampling"]}
    _, report = run(reuse_shards=True)
    assert report.reused_steps == {"judging": ["sampling"], "sampling": ["sampling"]}
    assert run(reuse_shards=True)[1].reused_steps == report.reused_steps and run.done == []
    run.reused = {}
    assert run()[1].reused_steps == {}
    assert run.done == list(MODULES)


@pytest.mark.parametrize("reuse", [False, True])
def test_a_step_that_was_stopped_goes_on_or_begins_again_by_its_code(run: Run, reuse: bool) -> None:
    run.fails_at = "training"
    with pytest.raises(KeyboardInterrupt):
        run()
    run.fails_at = ""
    if reuse:
        run.edit("training", "2")
        said, report = run(reuse_shards=True)
        assert said[2] == "training, begun before by older code (training)"
        assert report.reused_steps == {"training": ["training"]} and not (run.out / "training-old-1").exists()
        run()
        assert run.done == ["training"] and (run.out / "training-old-1").exists()
    else:
        assert run()[0][2] == "training, begun before"
        assert not (run.out / "training-old-1").exists()


def test_a_step_with_failed_calls_is_done_again_and_so_is_what_builds_on_new_answers(run: Run) -> None:
    run.failed = {"sampling": 3, "judging": 1}
    report = run()[1]
    assert [(one.method, one.failed) for one in report.failed_calls] == [
        ("judging: refine", 1),
        ("sampling: refine", 3),
    ]
    said, _ = run()
    assert said == ["judging, again: 1 call had failed", "sampling, again: 3 calls had failed", DONE[2]]
    assert run.done == ["judging", "sampling"], "the same calls failed, so training starts from the same"
    run.failed = {}
    moved = "training, again: what it starts from has changed; its old folder is now training-old-1"
    assert run()[0] == [*said[:2], moved]
    assert run()[0] == DONE


def test_a_first_step_that_is_refused_binds_no_folder(run: Run) -> None:
    run.fails_at = "judging"
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not (run.out / "config.toml").exists() and not list(run.out.rglob("steps"))


def test_own_prompts_are_another_start(tmp_path: Path) -> None:
    before = starting_points(SETTINGS)
    (tmp_path / "refine.txt").write_text("Be kind.\n---\n$persona\n$discrepancies\n", "utf-8")
    mine = SETTINGS.model_copy(update={"prompts": str(tmp_path)})
    after = starting_points(mine)
    (tmp_path / "refine.txt").write_text("Be brief.\n---\n$persona\n$discrepancies\n", "utf-8")
    assert len({before, after, starting_points(mine)}) == 3


def test_the_code_of_updaters_and_engines_is_in_the_steps_that_use_them() -> None:
    served = SETTINGS.model_copy(update={"policy_engine": "openai:x", "predictor_engine": "scripted"})
    code = {step: code_modules(*step_code(served, step)) for step in CODE}
    asking = {
        step for step in CODE if {"deeper.engine.openai.engine", "deeper.engine.scripted.engine"} <= code[step].keys()
    }
    assert asking == {"sample", "reward", "validation"}
    assert {step for step in CODE if "deeper.persona.updaters.refine" in code[step]} == {
        "sample",
        "pairs",
        "validation",
    }
    assert "deeper.learning.training.dpo" in code["policy"]
