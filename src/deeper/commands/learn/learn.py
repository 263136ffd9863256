"""`deeper learn`: two iterations of preference learning, with a validation before and after each.

    before ─▶ 1: sample ─▶ reward ─▶ pairs ─▶ train ─▶ validation ─▶ 2: the same with the policy of iteration 1 ─▶ …

Each step runs another command in its own folder (`layout`). `steps` skips finished ones. An unfinished step continues
where it stopped.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console

from deeper.commands.evaluate.evaluate import evaluate
from deeper.commands.execution.joined_warnings import joined_warnings
from deeper.commands.learn import layout
from deeper.commands.learn.report import Alarm, Iteration, LearningReport, PairsSummary, RewardSummary
from deeper.commands.learn.settings import LearnSettings, to_evaluate, to_pair, to_reward, to_sample, to_train
from deeper.commands.learn.start import check, lora_of, quiet, starting_points, with_base
from deeper.commands.learn.steps import Steps, Task
from deeper.commands.learn.validation import (
    LEARNT_METHOD,
    LENGTH_ALARMS,
    held_out_errors,
    length_alarms,
    paired_difference,
    summarise_validation,
)
from deeper.commands.pairs.layout import REPORT as PAIRS_REPORT
from deeper.commands.pairs.pairs import make_pairs
from deeper.commands.pairs.settings import ITERATIONS
from deeper.commands.reward.reward import reward_directions
from deeper.commands.sample.sample import sample_directions
from deeper.commands.train.from_pairs import train_dpo
from deeper.commands.train.settings import DpoSettings
from deeper.commands.train.start import check_extra
from deeper.engine.adapter import METRICS
from deeper.engine.registry import KINDS
from deeper.errors import UserError
from deeper.evaluation.results_schema import Results, parse_results
from deeper.evaluation.schema import ERROR
from deeper.learning.preferences.reality_report import read_reward_report
from deeper.learning.preferences.recipe import REWARD_RECIPE
from deeper.measure.recipe import RECIPE as MEASURE_RECIPE
from deeper.persona.schema import PERSONA
from deeper.persona.updaters import MODULES
from deeper.storage.layout import MANIFEST_FILE, RESULTS_FILE, REWARD_REPORT_FILE
from deeper.storage.provenance import dump_recipes, provenance
from deeper.storage.run_folder import RunFolder

if TYPE_CHECKING:
    from deeper.learning.training.trainer import Progress

STEPS = 1 + 5 * len(ITERATIONS)
# `code_hash` follows imports, and updaters and engines are found by their names.
CODE = {
    "sample": (sample_directions,),
    "reward": (reward_directions,),
    "pairs": (make_pairs,),
    "policy": (train_dpo,),
    "validation": (evaluate, MODULES[LEARNT_METHOD]),
}
"""The functions that do each step. A step is done again if their code changes, or that of the engines it asks."""
WITHOUT_ENGINE = ("pairs", "policy")


class Display(Protocol):
    """Shows the progress of a training."""

    def show(self, progress: "Progress") -> None:
        """Show a step."""
        ...


@dataclass(frozen=True)
class Audience:
    """Where progress is shown.

    Attributes:
        console: Gets a line for each step.
        training: Opens a display of a training.
        report: Called after each step with the folder and the content of learn.json so far.
    """

    console: Console
    training: Callable[[], AbstractContextManager[Display]]
    report: Callable[[Path, Mapping[str, Any]], None]


def learn(
    settings: LearnSettings, out: Path, audience: Audience, force: bool = False, *, reuse_shards: bool = False
) -> dict[str, Any]:
    """Teach a policy from its own refinements, or continue an interrupted run.

    Args:
        settings: What to do.
        out: The folder to write: one folder for each step, the adapters in `1/policy` and `2/policy`, and learn.json.
        audience: Where progress is shown.
        force: Learn even if a reward cannot be trusted.
        reuse_shards: Keep steps and shards whose code has changed since.

    Returns:
        The content of `learn.json`.

    Raises:
        UserError: The data, the settings, an engine, an adapter or the folder does not allow it, no pair can be made,
            or a reward cannot be trusted.
    """
    check_extra()
    check(settings)
    quiet()
    folder = RunFolder(out, settings)
    with folder.held(), joined_warnings():
        resolved = with_base(settings, folder)
        report = empty_report(settings)
        steps = Steps(folder, audience.console, report, starting_points(settings), reuse_shards=reuse_shards)
        run = _LearningRun(resolved, folder, audience, report, steps)
        run.validate(layout.BEFORE, settings.policy_adapter)
        policy = settings.policy_adapter
        for iteration in ITERATIONS:
            policy = run.iterate(iteration, policy, force)
        return report.as_json()


@dataclass
class _LearningRun:
    """A run: what each step does, and what the report says of it.

    Attributes:
        settings: What to do; the engines' folders exist.
        folder: Holds everything.
        audience: Where progress is shown.
        report: The report so far.
        steps: Runs the steps.
        errors_before: Held-out errors of the refinements before learning.
    """

    settings: LearnSettings
    folder: RunFolder
    audience: Audience
    report: LearningReport
    steps: Steps
    errors_before: dict[tuple[str, str, int], float] = field(default_factory=dict[tuple[str, str, int], float])

    def iterate(self, iteration: int, policy: str, force: bool) -> str:
        """Run one iteration that starts from the adapter `policy`; returns the folder of the new adapter."""
        settings, console, out = self.settings, self.audience.console, self.folder.path
        reuse = self.steps.reuse_shards
        found = Iteration(iteration=iteration)
        self.report.iterations.append(found)
        run, pairs = layout.sampled_folder(out, iteration), layout.pairs_folder(out, iteration)
        trained = layout.policy_folder(out, iteration)

        sample = to_sample(settings, iteration, policy)
        sampling = partial(sample_directions, sample, run, console, reuse_shards=reuse)
        manifest = run / MANIFEST_FILE
        task = Task(sample, step_code(settings, "sample"), manifest, sampling, shards_report=manifest)
        found.sampled = self.steps.run(f"{iteration}/sample", task)["counts"]
        self.publish()

        reward = to_reward(settings)
        rewarding = partial(reward_directions, reward, run, console, reuse_shards=reuse)
        report = run / REWARD_REPORT_FILE
        task = Task(reward, step_code(settings, "reward"), report, rewarding, shards_report=report)
        found.reward = _reward_summary(self.steps.run(f"{iteration}/reward", task), run)
        self.publish()

        pair = to_pair(settings, iteration, force)
        pairing = partial(make_pairs, pair, [run], pairs)
        task = Task(pair, step_code(settings, "pairs"), pairs / PAIRS_REPORT, pairing, shards_report=None)
        made = self.steps.run(f"{iteration}/pairs", task)
        self.report.notes += _notes(iteration, made)
        found.pairs = PairsSummary(**{name: made[name] for name in PairsSummary.model_fields if name in made})
        self.publish()

        train = to_train(settings, iteration, pairs, policy, lora_of(policy))
        training = partial(self._train, train, trained)
        task = Task(train, step_code(settings, "policy"), trained / METRICS, training, shards_report=None)
        metrics = self.steps.run(f"{iteration}/policy", task)
        self.alarm(iteration, metrics["alarms"])
        found.training = metrics
        self.publish()

        self.validate(str(iteration), str(trained))
        return str(trained)

    def validate(self, stage: str, policy: str) -> None:
        """Measure the errors of a policy on validation users."""
        settings = to_evaluate(self.settings, policy)
        place = layout.validation_folder(self.folder.path, stage)
        name = place.relative_to(self.folder.path).as_posix()

        def evaluating() -> dict[str, Any]:
            return evaluate(settings, place, self.audience.console, reuse_shards=self.steps.reuse_shards).as_json()

        outcome = place / RESULTS_FILE
        task = Task(
            settings,
            step_code(self.settings, "validation"),
            outcome,
            evaluating,
            shards_report=place / MANIFEST_FILE,
            feeds_later=False,
        )
        results = parse_results(self.steps.run(name, task), str(outcome))
        table, personas = (
            self.folder.read_table(f"{name}/{kind}.parquet", schema)
            for kind, schema in (("errors", ERROR), ("personas", PERSONA))
        )
        errors = held_out_errors(table, LEARNT_METHOD)
        if not errors:
            raise _no_error(results, place)
        found = summarise_validation(results, table, personas, self.settings.max_persona_tokens)
        if stage == layout.BEFORE:
            self.errors_before = errors
        else:
            difference = paired_difference(self.errors_before, errors)
            found = found.model_copy(update={"against_before": difference})
            self.alarm(int(stage), length_alarms(self.report.validation[layout.BEFORE].text, found.text))
        self.report.validation[stage] = found
        self.publish()

    def publish(self) -> None:
        """Write the report so far and show it."""
        content = self.report.as_json()
        self.folder.write_json(layout.REPORT, content)
        self.audience.report(self.folder.path, content)

    def alarm(self, iteration: int, alarms: list[str]) -> None:
        """Add alarms to the report and print them at once."""
        for alarm in alarms:
            self.report.alarms.append(Alarm(iteration=iteration, alarm=alarm))
            self.audience.console.print(f"Alarm: {alarm}", markup=False, highlight=False)

    def _train(self, settings: DpoSettings, out: Path) -> dict[str, Any]:
        with self.audience.training() as display:
            return train_dpo(settings, out, display.show)


def step_code(settings: LearnSettings, step: str) -> tuple[Any, ...]:
    """What does a step of this kind, a key of `CODE`: functions and modules."""
    engines = () if step in WITHOUT_ENGINE else (settings.policy_engine, settings.predictor_engine)
    updaters = [MODULES[method] for method in settings.methods if step in ("sample", "pairs")]
    return (*CODE[step], *updaters, *(KINDS[engine.partition(":")[0]] for engine in engines))


def empty_report(settings: LearnSettings) -> LearningReport:
    """A report of no step."""
    return LearningReport(
        **provenance(),
        seed=settings.seed,
        config=settings.model_dump(mode="json"),
        recipes=dump_recipes(reward=REWARD_RECIPE, measure=MEASURE_RECIPE, length_alarms=LENGTH_ALARMS),
        steps_total=STEPS,
        steps=[],
        reused_steps={},
        failed_calls=[],
        notes=[],
        alarms=[],
        validation={},
        iterations=[],
    )


def _reward_summary(content: Mapping[str, Any], run: Path) -> RewardSummary:
    report = read_reward_report(content, str(run / REWARD_REPORT_FILE))
    return RewardSummary(
        trustworthy=report.trustworthy,
        recipes=report.recipes,
        counts=report.counts,
        examples=report.examples,
        reliability=report.overall.reliability,
        mean_direction=report.overall.mean_direction,
    )


def _no_error(results: Results, place: Path) -> UserError:
    """Return the error for a validation without any error of a refinement."""
    what, do = "no validation user has a held-out error after a refinement", "give data with three windows a user"
    if results.failed_calls:
        commonest = max(results.failed_calls, key=lambda entry: entry.failed)
        what += f"; calls failed, most often: {commonest.reason}"
        do = "mend the server, then repeat the command: it asks the failed calls again"
        if not commonest.asked_again:
            do = "choose a policy that gives texts"
    return UserError(what, where=str(place), do=do)


def _notes(iteration: int, made: Mapping[str, Any]) -> list[str]:
    """What readers of the report must know about an iteration's pairs."""
    notes: list[str] = []
    if not all(run["trustworthy"] for run in made["runs"]):
        notes.append(f"Iteration {iteration} learns by force: its reward cannot be trusted.")
    if not made["counts"]["validation"]["pairs"]:
        notes.append(f"Iteration {iteration} has no pairs of validation users.")
    return notes
