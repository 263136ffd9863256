"""The texts that adapters were trained on: equal seeds give the texts of commit 6d38af2, letter for letter."""

import hashlib
import json
from collections.abc import Sequence

import pytest

from deeper.behaviour.load import load_windows
from deeper.learning.examples.lessons import Lesson, LessonOptions, training_lessons, validation_lessons
from deeper.learning.examples.readings import Reading, training_readings, validation_readings
from deeper.learning.examples.user_windows import UserWindows, one_prefix_each
from deeper.learning.training.fit_expected_ratings import fit_expected_ratings
from deeper.persona.prompts.templates import load_prompts

LESSONS_HASH = "db4ff08898a8a742"
READINGS_HASH = "fee2b6e7a97bbc6b"


@pytest.fixture(scope="module")
def users() -> list[UserWindows]:
    loaded = load_windows("movielens_small")
    windows: dict[tuple[str, str], list[Sequence[dict[str, object]]]] = {}
    for row in loaded.windows.to_pylist():
        windows.setdefault((row["domain"], row["user"]), []).append(row["items"])
    return [UserWindows(loaded.domains[key[0]], key[1], found) for key, found in sorted(windows.items()) if found[1:]]


def asked(lesson: Lesson) -> tuple[str, str]:
    return lesson.prompt.system, lesson.prompt.user


def digest(rows: object) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def test_lessons_are_those_that_policies_were_trained_on(users: list[UserWindows]) -> None:
    options = LessonOptions(load_prompts(evidence="kinds"), 96, seed=3)
    lessons: list[Lesson] = training_lessons(users[:60], options, 300)[0]
    lessons += validation_lessons(one_prefix_each(users[60:80], 5), options)
    rows = [[one.task, one.owner.user, *asked(one), one.answer, one.verdict_answers] for one in lessons]
    assert digest(rows) == LESSONS_HASH


def test_readings_are_those_that_predictors_were_trained_on(users: list[UserWindows]) -> None:
    texts = {(one.domain.id, one.user, k): (f"Text {k}.", f"Other {k}.") for one in users[:60:3] for k in range(3)}
    readings: list[Reading] = training_readings(users[:60], texts, 300, 4, fit_expected_ratings, item_knowledge=True)[0]
    readings += validation_readings(one_prefix_each(users[60:80], 5), texts, 6)
    rows = [[one.kind, one.user, one.persona, one.titles, one.ratings, one.median, one.standings] for one in readings]
    assert digest(rows) == READINGS_HASH
