"""What a policy is taught: for each prompt of the updaters, the persona that the describer would write."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from random import Random
from typing import Literal

import numpy as np

from deeper.domains import Domain
from deeper.engine.protocol import Prompt
from deeper.errors import UserError
from deeper.learning.describer import phrases
from deeper.learning.describer.describe import describe, level_only
from deeper.learning.describer.facts import Facts, facts
from deeper.learning.describer.later_windows import evolved, updated
from deeper.learning.examples.moments import Moment, Person, draw, moments
from deeper.persona.prompts.templates import Prompts
from deeper.persona.updaters import UPDATERS, Case, Window
from deeper.persona.updaters import describe as ask_for_description

Task = Literal[
    "initialise", "refine", "incremental_update", "hierarchical_merge", "full_regeneration", "slide_regeneration"
]

SHARES: Mapping[Task, float] = {
    "initialise": 0.3,
    "refine": 0.45,
    "incremental_update": 0.08,
    "hierarchical_merge": 0.08,
    "full_regeneration": 0.09,
    "slide_regeneration": 0.0,
}
"""Of the tasks. Initialising and refining are what the method does. The other updaters learn their own prompts as well,
so that a comparison with them is one of methods and not of practice. Slide regeneration asks exactly as initialising
does, and so has its share there."""
ROUGH = 0.5
"""Share of old personas that say less than could be known, or something wrong: a policy's own are never perfect, and
are to be mended."""
ALIKE = 0.5
"""Share of old personas that say the verdict in the answer's form. A policy's own always do, and what follows the same
words there is not to be copied if the ratings say otherwise."""
VERDICTS = 3
"""Phrasings of the verdict alone beside each answer."""
SHIFTS = (-2, -1, 1, 2)
"""Steps of the scale by which wrong old personas are off."""
MISREAD = 0.5
"""Share of predictions that are not the old persona's typical verdict for all items but scattered around it."""
SCATTER = 0.15
"""Standard deviation of scattered predictions, as a share of the scale's range."""
UNPREDICTED = 0.03
"""Share of refinements without predictions, as they are where a prediction failed."""


@dataclass(frozen=True)
class Lesson:
    """A prompt and its answer.

    Attributes:
        task: Which prompt it is.
        person: Whose.
        prompt: What the policy is asked.
        answer: What it should write.
        verdicts: The typical verdict alone, in other words.
    """

    task: Task
    person: Person
    prompt: Prompt
    answer: str
    verdicts: tuple[str, ...]


@dataclass(frozen=True)
class Teaching:
    """How lessons are made.

    Attributes:
        prompts: The templates.
        max_tokens: Length limit of a persona that the prompts tell.
        seed: Seed of all choices and phrasings.
    """

    prompts: Prompts
    max_tokens: int
    seed: int

    @property
    def max_words(self) -> int:
        """Length limit of the describer's texts."""
        return self.max_tokens * 3 // 5


def training_lessons(people: Sequence[Person], teaching: Teaching, count: int) -> tuple[list[Lesson], Counter[str]]:
    """Lessons to train on.

    Args:
        people: Train users.
        teaching: How.
        count: How many.

    Returns:
        The lessons, and how many there are of each task and of each domain.

    Raises:
        UserError: No user has two windows.
    """
    found = moments(people)
    if not found:
        raise UserError("no train user has two windows", do="give data of longer histories")
    tasks: list[Task] = list(SHARES)
    weights = [SHARES[task] for task in tasks]
    drawn = islice(draw(found, teaching.seed), count)
    lessons = [_lesson(moment, rng.choices(tasks, weights)[0], teaching, rng) for moment, rng in drawn]
    return lessons, Counter(name for lesson in lessons for name in (lesson.task, lesson.person.domain.id))


def validation_lessons(chosen: Sequence[Moment], teaching: Teaching) -> list[Lesson]:
    """An initialising and a refining lesson of each moment."""
    return [
        _lesson(moment, task, teaching, Random(f"{teaching.seed} {moment.person.user} {task}"))
        for moment in chosen
        for task in ("initialise", "refine")
    ]


def _lesson(moment: Moment, task: Task, teaching: Teaching, rng: Random) -> Lesson:
    person, domain, windows = moment.person, moment.person.domain, moment.person.windows
    form, words = rng.randrange(len(phrases.VERDICT)), teaching.max_words
    before_form = form if rng.random() < ALIKE else None

    def text(told: Facts, upto: Sequence[Window], form: int | None = None) -> str:
        return describe(told, upto, domain, seed=rng.randrange(2**31), max_words=words, form=form, in_order=True)

    def lesson(prompt: Prompt, known: Facts, upto: Sequence[Window]) -> Lesson:
        answer = text(known, upto, form)
        seeds = [rng.randrange(2**31) for _ in range(VERDICTS)]
        verdicts = tuple(level_only(known, domain, seed=seed) for seed in seeds) if known.count else ()
        return Lesson(task, person, prompt, answer, verdicts)

    if task in ("initialise", "slide_regeneration"):
        first = [windows[moment.k]]
        prompt = ask_for_description(teaching.prompts, domain, first, teaching.max_tokens)
        return lesson(prompt, facts(first, domain), first)
    before, seen = windows[: moment.k + 1], windows[: moment.k + 2]
    if rng.random() < ROUGH:
        persona, believed = _rough(before, moment, rng, before_form)
    else:
        believed = evolved(before, domain)
        persona = text(believed, before, before_form)
    case = Case(
        domain=domain,
        persona=persona,
        windows=seen,
        predicted=_predicted(believed.median, seen[-1], moment, rng),
        short_term=text(facts(seen[-1:], domain), seen[-1:]) if task == "hierarchical_merge" else "",
        max_tokens=teaching.max_tokens,
    )
    known = facts(seen, domain) if task == "full_regeneration" else _updated(task, case, believed)
    return lesson(UPDATERS[task](teaching.prompts, case), known, seen)


def _updated(task: Task, case: Case, old: Facts) -> Facts:
    """What the updated persona says; of the old one's kinds of items, those that its text tells."""
    scale = case.domain.scale
    pleasing, disappointing = (
        tuple(kind for kind in kinds if kind in case.persona) for kinds in (old.pleasing, old.disappointing)
    )
    was_read = task == "refine" and case.predicted is not None
    predicted = float(np.median(scale.round(np.array(case.predicted)))) if was_read else None
    told = replace(old, pleasing=pleasing, disappointing=disappointing)
    return updated(told, case.windows, case.domain, predicted)


def _rough(before: Sequence[Window], moment: Moment, rng: Random, form: int | None) -> tuple[str, Facts]:
    """The verdict alone, what the first window alone would say, or a wrong level; and what it says."""
    domain = moment.person.domain
    believed = rng.choice((before, before[:1], _shifted(before, domain, rng)))
    told, seed = evolved(believed, domain), rng.randrange(2**31)
    if believed is before:
        return level_only(told, domain, seed=seed, form=form), told
    return describe(told, before, domain, seed=seed, form=form), told


def _shifted(windows: Sequence[Window], domain: Domain, rng: Random) -> list[Window]:
    """The windows with all real ratings some steps higher, or lower."""
    scale = domain.scale
    shift = rng.choice(SHIFTS) * scale.step

    def moved(rating: float) -> float:
        return rating if rating in domain.unrated else float(np.clip(rating + shift, scale.minimum, scale.maximum))

    return [[{**item, "rating": moved(item["rating"])} for item in window] for window in windows]


def _predicted(median: float, target: Window, moment: Moment, rng: Random) -> list[float] | None:
    """What a reader of the old persona would predict: its typical verdict, or something around it."""
    if rng.random() < UNPREDICTED:
        return None
    scale = moment.person.domain.scale
    width = SCATTER * (scale.maximum - scale.minimum) if rng.random() < MISREAD else 0.0
    shift = rng.gauss(0, width / 2) if width else 0.0
    points = np.array([median + shift + (rng.gauss(0, width) if width else 0.0) for _ in target])
    return np.clip(points, scale.minimum, scale.maximum).tolist()
