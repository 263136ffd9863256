"""`deeper train predictor` and `deeper train coldstart`: from users' behaviour to an adapter.

A killed training continues in its folder.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from deeper.behaviour.fingerprints import FINGERPRINTS, fingerprints
from deeper.behaviour.recipe import RECIPE as BEHAVIOUR_RECIPE
from deeper.behaviour.splits import user_hash
from deeper.commands.execution.engines import check_adapter
from deeper.commands.train.settings import BehaviourTrainingSettings, ColdstartSettings, PredictorSettings
from deeper.commands.train.start import check_extra, check_origin, fitting, load_base, plan_of
from deeper.commands.train.train_users import Users, users_of
from deeper.engine.adapter import CARD, METRICS, AdapterKind, check_base, write_card
from deeper.errors import UserError
from deeper.learning.examples.recipe import LESSONS, READINGS
from deeper.learning.examples.user_windows import one_prefix_each, prefixes_by_domain
from deeper.learning.training.recipe import ADAPTER, COLDSTART, PREDICTOR
from deeper.learning.training_record import TrainingRecord
from deeper.persona.describer.recipe import DESCRIBER
from deeper.persona.evidence.recipe import EVIDENCE
from deeper.persona.item_knowledge.standing_words import ITEM_KNOWLEDGE, words_hash
from deeper.persona.prompts.templates import Prompts, load_prompts
from deeper.persona.recipe import RECIPE as PERSONA_RECIPE
from deeper.persona.updaters import UPDATERS
from deeper.storage.code_hash import code_modules
from deeper.storage.provenance import dump_recipes, provenance
from deeper.storage.run_folder import RunFolder

if TYPE_CHECKING:
    from deeper.learning.training.trainer import Progress, TrainingPlan

log = logging.getLogger(__name__)

SHARED_RECIPES = {
    "behaviour": BEHAVIOUR_RECIPE,
    "persona": PERSONA_RECIPE,
    "evidence": EVIDENCE,
    "describer": DESCRIBER,
    "adapter": ADAPTER,
}
"""The recipes that shape both kinds of training."""


def train_predictor(settings: PredictorSettings, out: Path, show: "Callable[[Progress], None]") -> dict[str, Any]:
    """Train a model to predict ratings from personas.

    Args:
        settings: What to do.
        out: The adapter's folder. A killed training continues in it; a finished one is not repeated.
        show: Called after each step.

    Returns:
        The content of `metrics.json`.

    Raises:
        UserError: The data, the settings, the folder or the machine does not allow the training.
    """
    recipes = dump_recipes(**SHARED_RECIPES, readings=READINGS, predictor=PREDICTOR)
    return _train(settings, out, show, "predictor", _predictor, _predictor_code, recipes)


def train_coldstart(settings: ColdstartSettings, out: Path, show: "Callable[[Progress], None]") -> dict[str, Any]:
    """Train a model to write personas as the describer does; arguments and result as for `train_predictor`."""
    recipes = dump_recipes(**SHARED_RECIPES, lessons=LESSONS, coldstart=COLDSTART)
    return _train(settings, out, show, "policy", _coldstart, _coldstart_code, recipes)


@dataclass(frozen=True)
class _Job:
    """What either kind of training starts from."""

    users: Users
    prompts: Prompts
    model: Any
    tokenizer: Any
    plan: "TrainingPlan"
    folder: Path
    begin: "Callable[[], list[str]]"
    """Records what the training starts from, and returns hashes of its code. Nothing may refuse the training later."""
    show: "Callable[[Progress], None]"


def _train(
    settings: BehaviourTrainingSettings,
    out: Path,
    show: "Callable[[Progress], None]",
    kind: AdapterKind,
    run: Callable[[Any, _Job], tuple[list[dict[str, Any]], dict[str, Any]]],
    find_code: Callable[[], dict[str, str]],
    recipes: dict[str, Any],
) -> dict[str, Any]:
    check_extra()
    folder = RunFolder(out, settings)
    with folder.held():
        if folder.has(CARD):
            return folder.read_json(METRICS)
        users = users_of(settings)
        prompts = load_prompts(settings.prompts, settings.evidence)
        templates = prompts.hashes_for(kind)
        if isinstance(settings, PredictorSettings) and settings.item_knowledge == "population":
            templates[ITEM_KNOWLEDGE] = words_hash()
        from deeper.learning.training.lora import with_adapter, with_lora
        from deeper.learning.training.trainer import save_adapter

        plan = plan_of(settings, sum(map(len, prefixes_by_domain(users.train).values())))
        plan = replace(plan, precision=settings.precision)
        base, model, tokenizer = load_base(settings)
        origin = {"base": base, "templates": templates, "behaviour": users.digest}
        before = check_adapter(kind, Path(settings.adapter), None) if settings.adapter else None
        if before:
            check_base(before, base)
            origin["adapter"] = before.digest
        begin = partial(check_origin, folder, origin, find_code())
        model = with_adapter(model, before.folder, plan) if before else with_lora(model, plan)
        log.info(
            "%d steps of %d examples from %d users; validation on %d others",
            plan.steps, plan.batch, len(users.train), len(users.validation),
        )  # fmt: skip
        entries, facts = run(settings, _Job(users, prompts, model, tokenizer, plan, out, begin, show))
        steps = [entry for entry in entries if "loss" in entry]
        seconds = max((entry.get("seconds", 0.0) for entry in entries), default=0.0)
        metrics: dict[str, Any] = {
            **facts,
            "steps": plan.steps,
            "seconds": seconds,
            "examples_per_second": round(plan.steps * plan.batch / seconds, 3) if seconds else None,
            "users": Counter(user.domain.id for user in users.train),
            "validation_users": Counter(user.domain.id for user in users.validation),
            "loss": [{key: entry[key] for key in ("step", "loss", "learning_rate", "seconds")} for entry in steps],
            "validation": [
                {"step": entry["step"], **entry["validation"]} for entry in entries if "validation" in entry
            ],
            "base": base,
            "templates": templates,
            "seed": settings.seed,
            "settings": settings.model_dump(mode="json"),
            "recipes": recipes,
            "provenance": provenance(),
        }
        save_adapter(model, out)
        folder.write_json(METRICS, metrics)
        seen = [window for user in (*users.train, *users.validation) for window in user.windows]
        folder.write_json(FINGERPRINTS, {"windows": fingerprints(seen)})
        kept = ("settings", "recipes", "code", "provenance", "seed", "steps", "users")
        record = TrainingRecord(**{name: metrics[name] for name in kept})
        hashes = {user_hash(user.domain.id, user.user) for user in users.train}
        write_card(out, kind=kind, base=base, templates=templates, users=hashes,
                   provenance=record.as_card(), before=before)  # fmt: skip
        return metrics


def _predictor(settings: PredictorSettings, job: _Job) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from deeper.learning.examples.item_standing import standings_of
    from deeper.learning.examples.policy_personas import read_personas
    from deeper.learning.examples.readings import training_readings, validation_readings
    from deeper.learning.training.fit_expected_ratings import fit_expected_ratings
    from deeper.learning.training.predictor import Encoder, losses, swapped, validate
    from deeper.learning.training.supervised import train_on_examples

    texts = read_personas([Path(path) for path in settings.personas])
    wanted = job.plan.steps * job.plan.batch
    encode = Encoder(job.tokenizer, job.prompts)
    with_words = settings.item_knowledge == "population"
    readings, kinds = training_readings(
        job.users.train, texts, wanted, settings.seed, fit_expected_ratings, item_knowledge=with_words
    )
    kept, dropped = fitting([encode(reading) for reading in readings], settings)
    training = _repeated(kept, wanted)
    known = standings_of(job.users.train) if with_words else {}
    held_out = validation_readings(one_prefix_each(job.users.validation, settings.seed), texts, settings.seed, known)
    if not held_out:
        raise UserError("no validation user has a rated window after another", do="give data with longer histories")
    validation = [encode(reading) for reading in held_out]
    code = job.begin()
    entries = train_on_examples(
        job.model, training, job.plan, job.folder,
        loss=losses, validate=lambda: validate(job.model, validation, job.plan.micro_batch), show=job.show,
    )  # fmt: skip
    described = [reading for reading in held_out if reading.kind == "describer"]
    swap = swapped(described)
    facts: dict[str, Any] = {"examples": dict(kinds), "over_cutoff": dropped, "code": code}
    if swap:
        last = next(entry["validation"] for entry in reversed(entries) if "validation" in entry)
        before = fmean(last[f"mae_{name}"] for name in {reading.domain.id for reading in swap})
        after = validate(job.model, [encode(reading) for reading in swap], job.plan.micro_batch)["mae"]
        facts["persona_swap_effect"] = round(after - before, 5)
    return entries, facts


def _coldstart(settings: ColdstartSettings, job: _Job) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from deeper.learning.examples.lessons import LessonOptions, training_lessons, validation_lessons
    from deeper.learning.training.coldstart import Encoder, losses, validate
    from deeper.learning.training.supervised import train_on_examples

    options = LessonOptions(job.prompts, settings.max_persona_tokens, settings.seed)
    wanted = job.plan.steps * job.plan.batch
    lessons, tasks = training_lessons(job.users.train, options, wanted)
    encode = Encoder(job.tokenizer)
    examples = [encode(lesson) for lesson in lessons]
    short = [example for example in examples if len(example.answers[0].tokens) <= settings.max_persona_tokens]
    if not short:
        raise UserError("no persona of the describer is short enough", do="raise --max-persona-tokens")
    kept, dropped = fitting(short, settings)
    training = _repeated(kept, wanted)
    chosen = one_prefix_each(job.users.validation, settings.seed)
    validation = [encode(lesson) for lesson in validation_lessons(chosen, options)]
    code = job.begin()
    entries = train_on_examples(
        job.model, training, job.plan, job.folder,
        loss=losses, validate=lambda: validate(job.model, validation), show=job.show,
    )  # fmt: skip
    return entries, {
        "examples": dict(tasks),
        "over_cutoff": dropped,
        "over_max_persona_tokens": len(examples) - len(short),
        "code": code,
    }


def _predictor_code() -> dict[str, str]:
    """The modules that shape a predictor."""
    from deeper.learning.examples import policy_personas, readings, user_windows
    from deeper.learning.training import fit_expected_ratings, lora, predictor, supervised

    return code_modules(policy_personas, readings, user_windows, fit_expected_ratings, lora, predictor, supervised)


def _coldstart_code() -> dict[str, str]:
    """The modules that shape a cold-started policy."""
    from deeper.learning.examples import lessons, user_windows
    from deeper.learning.training import coldstart, lora, supervised

    # `code_modules` follows imports, and lessons find updaters by their names.
    return code_modules(lessons, user_windows, coldstart, lora, supervised, *UPDATERS.values())


def _repeated(examples: Sequence[Any], wanted: int) -> list[Any]:
    return [examples[i % len(examples)] for i in range(wanted)]
