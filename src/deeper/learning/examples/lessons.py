"""What a policy learns from: prompts of the updaters, each with the persona that the describer would write."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from random import Random

import numpy as np

from deeper.domains import Domain
from deeper.engine.protocol import Prompt
from deeper.errors import UserError
from deeper.learning.examples.recipe import LESSONS
from deeper.learning.examples.strong_tastes import with_strong_taste
from deeper.learning.examples.tasks import Task
from deeper.learning.examples.user_windows import UserWindows, WindowPrefix, draw_balanced, prefixes_by_domain
from deeper.persona.describer import phrases
from deeper.persona.describer.describe import describe, level_only
from deeper.persona.describer.recipe import words_within
from deeper.persona.describer.updated_facts import added_up, facts_after_updates, update_facts
from deeper.persona.evidence.facts import CLEAR, HEDGED, Facts, KindVerdict, facts_of
from deeper.persona.prompts.templates import Prompts
from deeper.persona.update_input import UpdateInput, Window, initial_prompt
from deeper.persona.updaters import UPDATERS


@dataclass(frozen=True)
class Lesson:
    """A prompt and its answer.

    Attributes:
        task: Which prompt it is.
        owner: The user that it is about.
        prompt: What the policy is asked.
        answer: The persona that it should write.
        verdict_answers: The typical verdict alone, in other words.
    """

    task: Task
    owner: UserWindows
    prompt: Prompt
    answer: str
    verdict_answers: tuple[str, ...]


@dataclass(frozen=True)
class LessonOptions:
    """What a training decides about its lessons.

    Attributes:
        prompts: The templates.
        max_tokens: Length limit of a persona that the prompts state, in tokens.
        seed: Seed of all choices and phrasings.
    """

    prompts: Prompts
    max_tokens: int
    seed: int

    @property
    def max_words(self) -> int:
        """Length limit of the describer's texts, in words."""
        return words_within(self.max_tokens)


def training_lessons(
    users: Sequence[UserWindows], options: LessonOptions, count: int
) -> tuple[list[Lesson], Counter[str]]:
    """Draw lessons to train on.

    Args:
        users: Train users.
        options: Prompts, length limit and seed.
        count: Number of lessons.

    Returns:
        The lessons, and the number of lessons of each task and of each domain.

    Raises:
        UserError: No user has two windows.
    """
    prefixes = prefixes_by_domain(users)
    if not prefixes:
        raise UserError("no train user has two windows", do="give data with longer histories")
    tasks: list[Task] = list(LESSONS.task_shares)
    shares = list(LESSONS.task_shares.values())
    drawn = islice(draw_balanced(prefixes, options.seed), count)
    lessons = [_lesson(prefix, rng.choices(tasks, shares)[0], options, rng) for prefix, rng in drawn]
    return lessons, Counter(name for lesson in lessons for name in (lesson.task, lesson.owner.domain.id))


def validation_lessons(prefixes: Sequence[WindowPrefix], options: LessonOptions) -> list[Lesson]:
    """Make an initialising and a refining lesson of each prefix."""
    return [
        _lesson(prefix, task, options, Random(f"{options.seed} {prefix.owner.user} {task}"))
        for prefix in prefixes
        for task in ("initialise", "refine")
    ]


def _lesson(prefix: WindowPrefix, task: Task, options: LessonOptions, rng: Random) -> Lesson:
    owner, domain, windows = prefix.owner, prefix.owner.domain, prefix.owner.windows
    if rng.random() < LESSONS.strong_share:
        windows = with_strong_taste(windows, domain, rng)
    form, max_words = rng.randrange(len(phrases.VERDICT)), options.max_words
    old_form = form if rng.random() < LESSONS.same_form_share else None

    def text(known: Facts, upto: Sequence[Window], form: int | None = None) -> str:
        return describe(known, upto, domain, seed=rng.randrange(2**31), max_words=max_words, form=form, in_order=True)

    def lesson(prompt: Prompt, known: Facts, upto: Sequence[Window]) -> Lesson:
        answer = text(known, upto, form)
        seeds = [rng.randrange(2**31) for _ in range(LESSONS.verdict_answers)]
        verdicts = tuple(level_only(known, domain, seed=seed) for seed in seeds) if known.count else ()
        return Lesson(task, owner, prompt, answer, verdicts)

    if task in ("initialise", "slide_regeneration"):
        first = [windows[prefix.k]]
        prompt = initial_prompt(options.prompts, domain, first, options.max_tokens)
        return lesson(prompt, facts_of(first, domain), first)
    before, seen = windows[: prefix.k + 1], windows[: prefix.k + 2]
    if rng.random() < LESSONS.imperfect_persona_share:
        persona, stated = _imperfect_persona(before, seen[-1], domain, rng, old_form)
    else:
        stated = facts_after_updates(before, domain)
        persona = text(stated, before, old_form)
    shown = UpdateInput(
        domain=domain,
        persona=persona,
        windows=seen,
        predicted=_predicted(stated.median, seen[-1], domain, rng),
        short_term=text(facts_of(seen[-1:], domain), seen[-1:]) if task == "hierarchical_merge" else "",
        max_tokens=options.max_tokens,
    )
    known = facts_of(seen, domain) if task == "full_regeneration" else _updated(task, shown, stated)
    return lesson(UPDATERS[task](options.prompts, shown), known, seen)


def _updated(task: Task, shown: UpdateInput, old: Facts) -> Facts:
    """The facts of the updated persona."""
    domain, window, count = shown.domain, shown.windows[-1], len(shown.windows)
    predicted = domain.scale.round(np.array(shown.predicted)).tolist() if shown.predicted is not None else None
    return update_facts(old, window, count, domain, predicted if task == "refine" else None)


def _imperfect_persona(
    before: Sequence[Window], new: Window, domain: Domain, rng: Random, form: int | None
) -> tuple[str, Facts]:
    """A persona with the verdict alone, with the first window's facts alone, with a wrong level, or with wrong kinds.

    Returns:
        Its text, and the facts that an update starts from.
    """
    flaw, seed = rng.choice(("level only", "first window", "level", "kinds")), rng.randrange(2**31)
    if flaw == "level only":
        known = facts_after_updates(before, domain)
        # What the old persona does not say, the new window decides.
        start = replace(facts_of([new], domain), median=known.median, count=known.count, kinds=())
        return level_only(known, domain, seed=seed, form=form), start
    source = {"first window": before[:1], "level": _shifted(before, domain, rng)}.get(flaw, before)
    stated = facts_after_updates(source, domain)
    if flaw == "kinds":
        stated = replace(stated, kinds=_wrong_kinds(stated, new, domain, rng))
    return describe(stated, before, domain, seed=seed, form=form, in_order=True), stated


def _wrong_kinds(known: Facts, new: Window, domain: Domain, rng: Random) -> tuple[KindVerdict, ...]:
    """Random verdicts on kinds that the persona or the new window tells of, for an update to confirm or to correct."""
    told = [*facts_of([new], domain).kinds, *known.kinds]
    names = sorted({one.name for one in told}, key=str.casefold)
    chosen = rng.sample(names, min(len(names), 4))
    return added_up((), [KindVerdict(name, rng.choice((-CLEAR, -HEDGED, HEDGED, CLEAR))) for name in chosen])


def _shifted(windows: Sequence[Window], domain: Domain, rng: Random) -> list[Window]:
    """The windows with all real ratings some steps higher or lower."""
    scale = domain.scale
    shift = rng.choice(LESSONS.wrong_level_shifts) * scale.step

    def shifted(rating: float) -> float:
        return rating if rating in domain.unrated else float(np.clip(rating + shift, scale.minimum, scale.maximum))

    return [[{**item, "rating": shifted(item["rating"])} for item in window] for window in windows]


def _predicted(median: float, target: Window, domain: Domain, rng: Random) -> list[float] | None:
    """What a predictor might make of the old persona: its median for all items, or values scattered around it."""
    if rng.random() < LESSONS.unpredicted_share:
        return None
    scale = domain.scale
    is_scattered = rng.random() < LESSONS.scattered_share
    width = LESSONS.scatter * (scale.maximum - scale.minimum) if is_scattered else 0.0
    shift = rng.gauss(0, width / 2) if width else 0.0
    points = np.array([median + shift + (rng.gauss(0, width) if width else 0.0) for _ in target])
    return np.clip(points, scale.minimum, scale.maximum).tolist()
