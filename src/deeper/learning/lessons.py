"""What a policy is taught: for each prompt of the updaters, the persona that the describer would write."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from random import Random
from typing import Literal

import numpy as np

from deeper.behaviour.levels import halfway
from deeper.domains import Domain
from deeper.engine.protocol import Prompt
from deeper.errors import UserError
from deeper.learning import phrases
from deeper.learning.describer import describe, level_only, say
from deeper.learning.facts import KINDS_TOLD, Facts, facts
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
    person, domain, windows = moment.person, moment.person.domain, moment.person.windows
    form, words = rng.randrange(len(phrases.VERDICT)), teaching.max_words
    before_form = form if rng.random() < ALIKE else None

    def text(upto: Sequence[Window], form: int | None = None) -> str:
        return describe(upto, domain, seed=rng.randrange(2**31), max_words=words, form=form)

    def lesson(prompt: Prompt, known: Facts, upto: Sequence[Window]) -> Lesson:
        titles = [item["title"] for window in upto for item in window]
        answer = say(known, titles, domain, seed=rng.randrange(2**31), max_words=words, form=form)
        seeds = [rng.randrange(2**31) for _ in range(VERDICTS)]
        verdicts = tuple(level_only(known, domain, seed=seed) for seed in seeds) if known.count else ()
        return Lesson(task, person, prompt, answer, verdicts)

    if task in ("initialise", "slide_regeneration"):
        first = [windows[moment.k]]
        prompt = ask_for_description(teaching.prompts, domain, first, teaching.max_tokens)
        return lesson(prompt, facts(first, domain), first)
    before, seen = windows[: moment.k + 1], windows[: moment.k + 2]
    rough = rng.random() < ROUGH
    persona, believed = _rough(before, moment, rng, before_form) if rough else (text(before, before_form), before)
    case = Case(
        domain=domain,
        persona=persona,
        windows=seen,
        predicted=_predicted(believed, seen[-1], moment, rng),
        short_term=text(seen[-1:]) if task == "hierarchical_merge" else "",
        max_tokens=teaching.max_tokens,
    )
    known = facts(seen, domain) if task == "full_regeneration" else _updated(task, case, facts(believed, domain))
    return lesson(UPDATERS[task](teaching.prompts, case), known, seen)


def _updated(task: Task, case: Case, old: Facts) -> Facts:
    """What an updated persona says: only what can be known from the old one and the new window.

    The typical verdict is halfway from the old one to the middle of the new window. To refine is to go half the way
    that the errors point to: where the old words were read as something else, it starts from what was predicted. How
    the ratings lie around it is the new window's; whether they change is the new window's against all before it; of
    kinds of items, those of the new window stand before those that the old persona has told. The same of all ratings
    would predict a little better, and would be guessed.
    """
    domain, last = case.domain, case.windows[-1:]
    new = facts(last, domain)

    def kinds(now: Sequence[str], before: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
        told = [kind for kind in before if kind in case.persona and kind not in (*now, *other)]
        return (*now, *told)[:KINDS_TOLD]

    pleasing = kinds(new.pleasing, old.pleasing, new.disappointing)
    disappointing = kinds(new.disappointing, old.disappointing, new.pleasing)
    if not new.count:
        return replace(old, pleasing=pleasing, disappointing=disappointing)
    middle = old.median
    if task == "refine" and case.predicted is not None:
        predicted = float(np.median(domain.scale.round(np.array(case.predicted))))
        middle = old.median if abs(predicted - old.median) <= domain.scale.step / 2 else predicted
    known = facts(last, domain, halfway(middle, new.median, domain.scale))
    drift = facts(case.windows, domain).drift
    return replace(known, drift=drift, pleasing=pleasing, disappointing=disappointing)


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
