"""Trainings: from settings to an adapter in a folder that a training can be killed in and started again in."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from deeper.behaviour.fingerprints import FINGERPRINTS, fingerprints
from deeper.behaviour.splits import user_hash
from deeper.commands.execution.engines import check_adapter
from deeper.commands.train.settings import BehaviourTrainingSettings, ColdstartSettings, PredictorSettings
from deeper.commands.train.start import check_extra, check_origin, fitting, load_base, plan_of
from deeper.commands.train.train_users import Users, users_of
from deeper.engine.adapter import CARD, METRICS, AdapterKind, check_base, write_card
from deeper.errors import UserError
from deeper.learning.examples.moments import moments, one_moment_each
from deeper.persona.prompts.templates import Prompts, load_prompts
from deeper.storage.provenance import provenance
from deeper.storage.run_folder import RunFolder

if TYPE_CHECKING:
    from deeper.learning.training.trainer import Plan, Progress

log = logging.getLogger(__name__)


def train_predictor(settings: PredictorSettings, out: Path, show: "Callable[[Progress], None]") -> dict[str, Any]:
    """Train a model to predict ratings from personas.

    Args:
        settings: What to do.
        out: The adapter's folder; a killed training continues in it, a finished one is not repeated.
        show: Is told after each step.

    Returns:
        The content of `metrics.json`.

    Raises:
        UserError: The data, the settings, the folder or the machine will not do.
    """
    return _train(settings, out, show, "predictor", _predictor)


def train_coldstart(settings: ColdstartSettings, out: Path, show: "Callable[[Progress], None]") -> dict[str, Any]:
    """Train a model to write personas as the describer does; arguments and result as `train_predictor`."""
    return _train(settings, out, show, "policy", _coldstart)


@dataclass(frozen=True)
class _Job:
    """What a training of either kind starts from."""

    users: Users
    prompts: Prompts
    model: Any
    tokenizer: Any
    plan: "Plan"
    folder: Path
    show: "Callable[[Progress], None]"


def _train(
    settings: BehaviourTrainingSettings,
    out: Path,
    show: "Callable[[Progress], None]",
    kind: AdapterKind,
    run: Callable[[Any, _Job], tuple[list[dict[str, Any]], dict[str, Any]]],
) -> dict[str, Any]:
    check_extra()
    folder = RunFolder(out, settings)
    with folder.held():
        if folder.has(CARD):
            return folder.read_json(METRICS)
        users = users_of(settings)
        prompts = load_prompts(Path(settings.prompts) if settings.prompts else None)
        version = prompts.version_for(kind)
        from deeper.learning.training.lora import with_adapter, with_lora
        from deeper.learning.training.trainer import save_adapter

        plan = plan_of(settings, sum(map(len, moments(users.train).values())))
        plan = replace(plan, precision=settings.precision)
        base, model, tokenizer = load_base(settings)
        origin = {"base": base, "prompt_version": version, "behaviour": users.digest}
        before = check_adapter(kind, Path(settings.adapter), version) if settings.adapter else None
        if before:
            check_base(before, base)
            origin["adapter"] = before.digest
        check_origin(folder, origin)
        model = with_adapter(model, before.folder, plan) if before else with_lora(model, plan)
        log.info(
            "%d steps of %d examples, of %d users; validation on %d others",
            plan.steps, plan.batch, len(users.train), len(users.validation),
        )  # fmt: skip
        entries, facts = run(settings, _Job(users, prompts, model, tokenizer, plan, out, show))
        steps = [entry for entry in entries if "loss" in entry]
        seconds = max((entry.get("seconds", 0.0) for entry in entries), default=0.0)
        metrics: dict[str, Any] = {
            **facts,
            "steps": plan.steps,
            "seconds": seconds,
            "examples_per_second": round(plan.steps * plan.batch / seconds, 3) if seconds else None,
            "users": Counter(person.domain.id for person in users.train),
            "validation_users": Counter(person.domain.id for person in users.validation),
            "loss": [{key: entry[key] for key in ("step", "loss", "learning_rate", "seconds")} for entry in steps],
            "validation": [
                {"step": entry["step"], **entry["validation"]} for entry in entries if "validation" in entry
            ],
            "base": base,
            "prompt_version": version,
            "seed": settings.seed,
            "settings": settings.model_dump(mode="json"),
            "provenance": provenance(),
        }
        save_adapter(model, out)
        folder.write_json(METRICS, metrics)
        seen = [window for person in (*users.train, *users.validation) for window in person.windows]
        folder.write_json(FINGERPRINTS, {"windows": fingerprints(seen)})
        told = ("settings", "provenance", "seed", "steps", "users")
        hashes = {user_hash(person.domain.id, person.user) for person in users.train}
        write_card(out, kind=kind, base=base, prompt_version=version, users=hashes,
                   provenance={name: metrics[name] for name in told}, before=before)  # fmt: skip
        return metrics


def _predictor(settings: PredictorSettings, job: _Job) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from deeper.learning.examples.readings import read_personas, training_readings, validation_readings
    from deeper.learning.training.predictor import Encoder, judge, swapped, train_predictor

    texts = read_personas([Path(path) for path in settings.personas])
    wanted = job.plan.steps * job.plan.batch
    encode = Encoder(job.tokenizer, job.prompts)
    readings, kinds = training_readings(job.users.train, texts, wanted, settings.seed)
    kept, dropped = fitting([encode(reading) for reading in readings], settings)
    training = _repeated(kept, wanted)
    judged = validation_readings(one_moment_each(job.users.validation, settings.seed), texts, settings.seed)
    if not judged:
        raise UserError("no validation user has a rated window after another", do="give data of longer histories")
    validation = [encode(reading) for reading in judged]
    entries = train_predictor(job.model, training, validation, job.plan, job.folder, job.show)
    described = [reading for reading in judged if reading.kind == "describer"]
    swap = swapped(described)
    facts: dict[str, Any] = {"examples": dict(kinds), "over_cutoff": dropped}
    if swap:
        last = next(entry["validation"] for entry in reversed(entries) if "validation" in entry)
        before = fmean(last[f"mae_{name}"] for name in {reading.domain.id for reading in swap})
        after = judge(job.model, [encode(reading) for reading in swap], job.plan.micro_batch)["mae"]
        facts["persona_swap_effect"] = round(after - before, 5)
    return entries, facts


def _coldstart(settings: ColdstartSettings, job: _Job) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from deeper.learning.examples.lessons import Teaching, training_lessons, validation_lessons
    from deeper.learning.training.coldstart import Encoder, train_coldstart

    teaching = Teaching(job.prompts, settings.max_persona_tokens, settings.seed)
    wanted = job.plan.steps * job.plan.batch
    lessons, tasks = training_lessons(job.users.train, teaching, wanted)
    encode = Encoder(job.tokenizer)
    examples = [encode(lesson) for lesson in lessons]
    short = [example for example in examples if len(example.answers[0].tokens) <= settings.max_persona_tokens]
    if not short:
        raise UserError("no persona of the describer is short enough", do="raise --max-persona-tokens")
    kept, dropped = fitting(short, settings)
    training = _repeated(kept, wanted)
    chosen = one_moment_each(job.users.validation, settings.seed)
    validation = [encode(lesson) for lesson in validation_lessons(chosen, teaching)]
    entries = train_coldstart(job.model, training, validation, job.plan, job.folder, job.show)
    return entries, {
        "examples": dict(tasks),
        "over_cutoff": dropped,
        "over_max_persona_tokens": len(examples) - len(short),
    }


def _repeated(examples: Sequence[Any], wanted: int) -> list[Any]:
    return [examples[i % len(examples)] for i in range(wanted)]
