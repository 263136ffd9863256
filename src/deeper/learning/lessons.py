"""What a policy is taught: for each prompt of the updaters, the persona that the describer would write."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Literal

import numpy as np

from deeper.engine.protocol import Prompt
from deeper.errors import UserError
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
    "refine": 0.4,
    "incremental_update": 0.1,
    "hierarchical_merge": 0.1,
    "full_regeneration": 0.1,
    "slide_regeneration": 0.0,
}
"""Of the tasks. Initialising and refining are what the method does. The other updaters learn their own prompts as well,
so that a comparison with them is one of methods and not of practice. Slide regeneration asks exactly as initialising
does, and so has its share there."""
ROUGH = 0.3
"""Share of old personas that say less than could be known: a policy's own are never perfect, and are to be mended."""
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
    """

    task: Task
    person: Person
    prompt: Prompt
    answer: str


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
    lessons = [
        _lesson(moment, rng.choices(tasks, weights)[0], teaching, rng)
        for moment, rng in islice(draw(found, teaching.seed), count)
    ]
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

    def text(upto: Sequence[Window]) -> str:
        return describe(upto, person.domain, seed=rng.randrange(2**31), max_words=teaching.max_words)

    if task in ("initialise", "slide_regeneration"):
        first = [windows[moment.k]]
        prompt = ask_for_description(teaching.prompts, person.domain, first, teaching.max_tokens)
        return Lesson(task, person, prompt, text(first))
    before, seen = windows[: moment.k + 1], windows[: moment.k + 2]
    rough = rng.random() < ROUGH
    case = Case(
        domain=person.domain,
        persona=_rough(before, moment, rng) if rough else text(before),
        windows=seen,
        predicted=_predicted(before, seen[-1], moment, rng),
        short_term=text(seen[-1:]) if task == "hierarchical_merge" else "",
        max_tokens=teaching.max_tokens,
    )
    return Lesson(task, person, UPDATERS[task](teaching.prompts, case), text(seen))


def _rough(before: Sequence[Window], moment: Moment, rng: Random) -> str:
    """The verdict alone, or what the first window alone would say."""
    domain = moment.person.domain
    if rng.random() < 0.5:
        return level_only(facts(before, domain), domain, seed=rng.randrange(2**31))
    return describe(before[:1], domain, seed=rng.randrange(2**31))


def _predicted(before: Sequence[Window], target: Window, moment: Moment, rng: Random) -> list[float] | None:
    """What a reader of the old persona would predict: its typical verdict, or something around it."""
    if rng.random() < UNPREDICTED:
        return None
    scale = moment.person.domain.scale
    median = facts(before, moment.person.domain).median
    width = SCATTER * (scale.maximum - scale.minimum) if rng.random() < MISREAD else 0.0
    shift = rng.gauss(0, width / 2) if width else 0.0
    points = np.array([median + shift + (rng.gauss(0, width) if width else 0.0) for _ in target])
    return np.clip(points, scale.minimum, scale.maximum).tolist()
