"""`deeper learn`: two iterations of preference learning, judged on validation users before and after each.

    before ─▶ 1: sample ─▶ reward ─▶ pairs ─▶ train ─▶ validation ─▶ 2: the same with the policy of iteration 1 ─▶ …

Each step is a command of its own in a folder of its own. A finished step is noted in `steps/` with a hash of all that
decides it and of the steps before it, and is not done again; an unfinished one continues where it was.
"""

import gc
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console

from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.learn.outcome import LEARNT, errors_of, judged, length_alarms, paired_difference
from deeper.commands.learn.settings import LearnSettings, to_evaluate, to_pair, to_reward, to_sample, to_train
from deeper.commands.learn.start import check, digest, lora_of, quiet, starting_points, with_base
from deeper.commands.pairs.pairs import PAIRS, REWARD, make_pairs
from deeper.commands.pairs.settings import ITERATIONS
from deeper.commands.reward.reward import reward_directions
from deeper.commands.sample.sample import sample_directions
from deeper.commands.train.settings import DpoSettings
from deeper.commands.train.start import check_extra
from deeper.engine.adapter import METRICS
from deeper.errors import UserError
from deeper.evaluation.results_schema import parse_results
from deeper.evaluation.schema import ERROR
from deeper.persona.schema import PERSONA
from deeper.storage.layout import MANIFEST
from deeper.storage.provenance import provenance
from deeper.storage.run_folder import RunFolder
from deeper.storage.settings import RunSettings

if TYPE_CHECKING:
    from deeper.learning.training.trainer import Progress

STEPS = 1 + 5 * len(ITERATIONS)
RESULTS, REPORT = "results.json", "learn.json"


class Display(Protocol):
    """Shows a training."""

    def show(self, progress: "Progress") -> None:
        """Show a step."""
        ...


@dataclass(frozen=True)
class Audience:
    """Who is told how far learning is.

    Attributes:
        console: Where progress goes.
        training: Opens a display of a training.
        report: Is given the folder and the content of learn.json so far after each step.
    """

    console: Console
    training: Callable[[], AbstractContextManager[Display]]
    report: Callable[[Path, Mapping[str, Any]], None]


def learn(settings: LearnSettings, out: Path, audience: Audience, force: bool = False) -> dict[str, Any]:
    """Learn from the policy's own refinements, or continue where it was interrupted.

    Args:
        settings: What to do.
        out: The folder; it gets one folder for each step, the adapters in `1/policy` and `2/policy`, and learn.json.
        audience: Who is told how far it is.
        force: Learn although a reward is not to be trusted.

    Returns:
        The content of `learn.json`.

    Raises:
        UserError: The data, the settings, an engine, an adapter or the folder do not allow it, no pair can be made, or
            a reward is not to be trusted.
    """
    check_extra()
    check(settings)
    quiet()
    folder = RunFolder(out, settings)
    with folder.held():
        resolved = with_base(settings, folder)
        course = _Course(resolved, folder, audience, _origin(settings), key=starting_points(settings))
        course.judge("before", settings.policy_adapter)
        policy = settings.policy_adapter
        for iteration in ITERATIONS:
            policy = course.iterate(iteration, policy, force)
        return course.report


@dataclass
class _Course:
    """The steps, one after another.

    Attributes:
        settings: What to do; the engines' folders are there.
        folder: Holds everything.
        audience: Is told.
        report: learn.json so far.
        key: Hash of the steps so far and of what they started from.
        errors: Held-out errors of the refinements before learning.
    """

    settings: LearnSettings
    folder: RunFolder
    audience: Audience
    report: dict[str, Any]
    key: str
    errors: dict[tuple[str, str, int], float] = field(default_factory=dict[tuple[str, str, int], float])

    def iterate(self, iteration: int, policy: str, force: bool) -> str:
        """One iteration from the policy `policy`; returns the folder of its adapter."""
        settings, console = self.settings, self.audience.console
        found: dict[str, Any] = {"iteration": iteration}
        self.report["iterations"].append(found)
        place = self.folder.path / str(iteration)
        run, pairs, trained = place / "sampled", place / "pairs", place / "policy"

        sample = to_sample(settings, iteration, policy)
        sampling = partial(sample_directions, sample, run, console)
        self.tell(found, sampled=self.step(f"{iteration}/sample", sample, run / MANIFEST, sampling)["counts"])

        reward = to_reward(settings)
        rewarding = partial(reward_directions, reward, run, console)
        self.tell(found, reward=_reality(self.step(f"{iteration}/reward", reward, run / REWARD, rewarding)))

        pair = to_pair(settings, iteration, force)
        pairing = partial(make_pairs, pair, [run], pairs)
        made = self.step(f"{iteration}/pairs", pair, pairs / PAIRS, pairing)
        self.report["notes"] += _notes(iteration, made)
        self.tell(found, pairs={name: made[name] for name in ("rule", "counts", "rewards")})

        train = to_train(settings, iteration, pairs, policy, lora_of(policy))
        metrics = self.step(f"{iteration}/policy", train, trained / METRICS, partial(self._train, train, trained))
        self.alarm(iteration, metrics["alarms"])
        self.tell(found, training=metrics)

        self.judge(str(iteration), str(trained))
        return str(trained)

    def judge(self, stage: str, policy: str) -> None:
        """Error of a policy on validation users."""
        settings = to_evaluate(self.settings, policy)
        name = stage if stage == "before" else f"{stage}/validation"
        place = self.folder.path / name

        def evaluating() -> dict[str, Any]:
            return evaluate(settings, place, self.audience.console).as_json()

        results = parse_results(self.step(name, settings, place / RESULTS, evaluating), str(place / RESULTS))
        table, personas = (
            self.folder.read_table(f"{name}/{kind}.parquet", schema)
            for kind, schema in (("errors", ERROR), ("personas", PERSONA))
        )
        errors = errors_of(table, LEARNT)
        if not errors:
            raise UserError(
                "no validation user has a held-out error after a refinement",
                where=str(place),
                do="give data whose users have three windows or more, and a policy that answers",
            )
        found = judged(results, table, personas, self.settings.max_persona_tokens)
        if stage == "before":
            self.errors = errors
        else:
            found["against_before"] = paired_difference(self.errors, errors, self.settings.seed)
            self.alarm(int(stage), length_alarms(self.report["validation"]["before"], found))
        self.tell(self.report["validation"], **{stage: found})

    def step(
        self, name: str, settings: RunSettings, outcome: Path, run: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Do a step unless it is done.

        Args:
            name: Of the step.
            settings: All that decides it but the steps before.
            outcome: The file that it leaves last, whose content `run` returns.
            run: Does it.
        """
        number, console = len(self.report["steps"]) + 1, self.audience.console
        # Whether pairs are made by force does not change them.
        decides = settings.model_dump(mode="json", exclude={"force"})
        self.key = digest([self.key, name, decides])
        note = f"steps/{name.replace('/', '-')}.json"
        if outcome.is_file() and self.folder.has(note) and self.folder.read_json(note)["key"] == self.key:
            console.print(f"Step {number} of {STEPS}: {name}, done before", markup=False, highlight=False)
            seconds, found = self.folder.read_json(note)["seconds"], json.loads(outcome.read_text("utf-8"))
        else:
            from deeper.learning.training.trainer import without_deprecations

            console.print(f"Step {number} of {STEPS}: {name}", markup=False, highlight=False)
            began = time.monotonic()
            with without_deprecations():
                found = run()
            seconds = round(time.monotonic() - began, 1)
            self.folder.write_json(note, {"key": self.key, "seconds": seconds})
            # Engines hold caches that refer to them, and the next step needs their memory.
            gc.collect()
        self.report["steps"].append({"name": name, "seconds": seconds})
        return found

    def tell(self, place: dict[str, Any], **news: Any) -> None:
        """Add to the report and show it."""
        place.update(news)
        self.folder.write_json(REPORT, self.report)
        self.audience.report(self.folder.path, self.report)

    def alarm(self, iteration: int, alarms: list[str]) -> None:
        """Add alarms to the report, and say them at once."""
        for alarm in alarms:
            self.report["alarms"].append({"iteration": iteration, "alarm": alarm})
            self.audience.console.print(f"Alarm: {alarm}", markup=False, highlight=False)

    def _train(self, settings: DpoSettings, out: Path) -> dict[str, Any]:
        from deeper.commands.train.from_pairs import train_dpo

        with self.audience.training() as display:
            return train_dpo(settings, out, display.show)


def _origin(settings: LearnSettings) -> dict[str, Any]:
    return {
        **provenance(),
        "seed": settings.seed,
        "config": settings.model_dump(mode="json"),
        "steps_total": STEPS,
        "steps": [],
        "notes": [],
        "alarms": [],
        "validation": {},
        "iterations": [],
    }


def _reality(rewarded: Mapping[str, Any]) -> dict[str, Any]:
    """What of reward.json stands in learn.json."""
    [*_, overall] = [entry for entry in rewarded["reality"] if entry["measure"] == rewarded["config"]["reward"]]
    kept = ("trustworthy", "min_reliability", "min_users", "counts", "examples")
    return {
        **{name: rewarded[name] for name in kept},
        **{name: overall[name] for name in ("reliability", "mean_direction")},
    }


def _notes(iteration: int, made: Mapping[str, Any]) -> list[str]:
    """What readers must know of an iteration's pairs."""
    notes: list[str] = []
    if not all(run["trustworthy"] for run in made["runs"]):
        notes.append(f"Iteration {iteration} learns by force: its reward is not to be trusted.")
    if not made["counts"]["validation"]["pairs"]:
        notes.append(f"Iteration {iteration} has no pairs of validation users.")
    return notes
