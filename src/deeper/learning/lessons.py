"""What a policy is taught: for each prompt of the updaters, the persona that the describer would write."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Literal

import numpy as np

from deeper.behaviour.levels import half_step
from deeper.domains import Domain
from deeper.engine.protocol import Prompt
from deeper.errors import UserError
from deeper.learning import phrases
from deeper.learning.describer import describe, level_only
from deeper.learning.facts import facts
from deeper.learning.people import Moment, Person, draw, moments
from deeper.persona.prompts import Prompts
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
    person, windows = moment.person, moment.person.windows

    form = rng.randrange(len(phrases.VERDICT))
    before_form = form if rng.random() < ALIKE else None

    def text(upto: Sequence[Window], form: int | None = None, median: float | None = None) -> str:
        seed, words = rng.randrange(2**31), teaching.max_words
        return describe(upto, person.domain, seed=seed, max_words=words, form=form, median=median)

    def lesson(prompt: Prompt, upto: Sequence[Window], median: float | None = None) -> Lesson:
        known = facts(upto, person.domain, median)
        seeds = [rng.randrange(2**31) for _ in range(VERDICTS)]
        verdicts = tuple(level_only(known, person.domain, seed=seed) for seed in seeds) if known.count else ()
        return Lesson(task, person, prompt, text(upto, form, median), verdicts)

    if task in ("initialise", "slide_regeneration"):
        first = [windows[moment.k]]
        return lesson(ask_for_description(teaching.prompts, person.domain, first, teaching.max_tokens), first)
    before, seen = windows[: moment.k + 1], windows[: moment.k + 2]
    rough = rng.random() < ROUGH
    persona, believed = _rough(before, moment, rng, before_form) if rough else (text(before, before_form), before)
    case = Case(
        domain=person.domain,
        persona=persona,
        windows=seen,
        predicted=_predicted(believed, seen[-1], moment, rng),
        short_term=text(seen[-1:]) if task == "hierarchical_merge" else "",
        max_tokens=teaching.max_tokens,
    )
    median = None if task == "full_regeneration" else _halfway(task, case, believed)
    return lesson(UPDATERS[task](teaching.prompts, case), seen, median)


def _halfway(task: Task, case: Case, believed: Sequence[Window]) -> float:
    """The typical verdict of an updated persona: halfway from the old one to the middle of the new window.

    That of all ratings cannot be known from the old persona and the new window; this one can, and predicts nearly as
    well. To refine is to go half the way that the errors point to, so there the old one is what was predicted.
    """
    scale, new = case.domain.scale, facts(case.windows[-1:], case.domain)
    old = facts(believed, case.domain).median
    if task == "refine" and case.predicted is not None:
        old = float(np.median(scale.round(np.array(case.predicted))))
    return half_step((old + new.median) / 2, scale) if new.count else old


def _rough(before: Sequence[Window], moment: Moment, rng: Random, form: int | None) -> tuple[str, Sequence[Window]]:
    """The verdict alone, what the first window alone would say, or a wrong level; and the ratings that would say so."""
    domain = moment.person.domain
    believed = rng.choice((before, before[:1], _shifted(before, domain, rng)))
    if believed is before:
        return level_only(facts(before, domain), domain, seed=rng.randrange(2**31), form=form), before
    return describe(believed, domain, seed=rng.randrange(2**31), form=form), believed


def _shifted(windows: Sequence[Window], domain: Domain, rng: Random) -> list[Window]:
    """The windows with all real ratings some steps higher, or lower."""
    scale = domain.scale
    shift = rng.choice(SHIFTS) * scale.step

    def moved(rating: float) -> float:
        return rating if rating in domain.unrated else float(np.clip(rating + shift, scale.minimum, scale.maximum))

    return [[{**item, "rating": moved(item["rating"])} for item in window] for window in windows]


def _predicted(believed: Sequence[Window], target: Window, moment: Moment, rng: Random) -> list[float] | None:
    """What a reader of the old persona would predict: its typical verdict, or something around it."""
    if rng.random() < UNPREDICTED:
        return None
    scale = moment.person.domain.scale
    median = facts(believed, moment.person.domain).median
    width = SCATTER * (scale.maximum - scale.minimum) if rng.random() < MISREAD else 0.0
    shift = rng.gauss(0, width / 2) if width else 0.0
    points = np.array([median + shift + (rng.gauss(0, width) if width else 0.0) for _ in target])
    return np.clip(points, scale.minimum, scale.maximum).tolist()
