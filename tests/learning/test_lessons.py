"""What policies are taught."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from read_facts import Said, level_in, said_in_lines, said_in_persona
from training_cases import COVES, REEFS, user_in, users_in

from deeper.domains.levels import verdict_rungs
from deeper.learning.examples import lessons as lessons_module
from deeper.learning.examples.lessons import Lesson, LessonOptions, training_lessons, validation_lessons
from deeper.learning.examples.recipe import LESSONS
from deeper.learning.examples.tasks import Task
from deeper.learning.examples.user_windows import UserWindows, WindowPrefix
from deeper.persona.describer.phrases import VERDICT as VERDICTS
from deeper.persona.describer.updated_facts import merged
from deeper.persona.evidence.facts import Facts
from deeper.persona.leaks import find_leaks
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.update_input import initial_prompt
from deeper.persona.updaters import UPDATERS

OPTIONS = LessonOptions(load_prompts(evidence="kinds"), 96, seed=1)
BARE = LessonOptions(load_prompts(), 96, seed=1)
LONG = LessonOptions(OPTIONS.prompts, 400, seed=1)
"""Long enough for all that is known: then an answer says everything."""
OLD = re.compile(r"^The description so far:\n(.+)$|long time:\n(.+)$", re.MULTILINE)
NEW = re.compile(r"late:\n(.+)$", re.MULTILINE)


def raters(count: int) -> list[UserWindows]:
    """Users with four windows of ten ratings."""
    return [
        user_in(REEFS, f"u{n}", [Random(f"{n} {k}").choices(REEFS.scale.values.tolist(), k=10) for k in range(4)])
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def lessons() -> list[Lesson]:
    return training_lessons([*users_in(COVES, 20), *users_in(REEFS, 5)], OPTIONS, 400)[0]


@pytest.fixture(scope="module")
def whole() -> list[Lesson]:
    """Lessons whose answers say all that is known."""
    return training_lessons(raters(20), LONG, 500)[0]


@pytest.fixture
def real_tastes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ratings as they are."""
    monkeypatch.setattr(lessons_module, "LESSONS", replace(LESSONS, strong_share=0.0))


def titles(of: UserWindows) -> list[str]:
    return [item["title"] for window in of.windows for item in window]


def of_task(found: Sequence[Lesson], *tasks: Task) -> list[Lesson]:
    chosen = [lesson for lesson in found if lesson.task in tasks]
    assert len(chosen) > 50
    return chosen


def old_persona(lesson: Lesson) -> str:
    found = OLD.search(lesson.prompt.user)
    assert found
    return found[1] or found[2]


def test_updaters_are_taught_equally_and_domains_weigh_the_same() -> None:
    _, counts = training_lessons([*users_in(COVES, 20), *users_in(REEFS, 5)], BARE, 300)
    assert (counts["coves"], counts["reefs"]) == (150, 150)
    for task, share in LESSONS.task_shares.items():
        assert counts[task] / 300 == pytest.approx(share, abs=0.06)
    assert LESSONS.task_shares.keys() == UPDATERS.keys() | {"initialise"}
    assert sum(LESSONS.task_shares.values()) == pytest.approx(1)
    # Slide regeneration asks what initialising asks, and has its lessons there.
    assert {share for task, share in LESSONS.task_shares.items() if task != "slide_regeneration"} == {0.2}


def test_neither_answers_nor_old_personas_hold_titles_or_digits_and_answers_fit(lessons: list[Lesson]) -> None:
    for lesson in lessons:
        told = [lesson.answer, *lesson.verdict_answers]
        told += [found for match in (OLD.search(lesson.prompt.user), NEW.search(lesson.prompt.user)) if match
                 for found in match.groups() if found]  # fmt: skip
        for text in told:
            assert text and not find_leaks(text, titles(lesson.owner)) and not re.search(r"\d", text)
        assert len(lesson.answer.split()) <= OPTIONS.max_words


def test_a_lesson_to_initialise_asks_for_one_window(real_tastes: None) -> None:
    some = [*users_in(COVES, 20), *users_in(REEFS, 5)]
    for lesson in of_task(training_lessons(some, OPTIONS, 400)[0], "initialise"):
        prompts = {
            initial_prompt(OPTIONS.prompts, lesson.owner.domain, [window], OPTIONS.max_tokens)
            for window in lesson.owner.windows
        }
        assert lesson.prompt in prompts


def test_a_lesson_never_shows_a_window_after_what_the_answer_knows(real_tastes: None) -> None:
    # The last window alone is bad; a describer that has not seen it cannot say so.
    someone = user_in(COVES, "u", [[5.0] * 4, [5.0] * 4, [1.0] * 4])
    last = [item["title"] for item in someone.windows[2]]
    found = training_lessons([someone], OPTIONS, 200)[0]
    shows = [lesson for lesson in found if any(title in lesson.prompt.user for title in last)]
    assert {lesson.task for lesson in shows} >= {"refine", "incremental_update", "full_regeneration"}
    for lesson in of_task(found, "refine", "incremental_update", "full_regeneration"):
        if lesson not in shows and lesson.task != "refine":
            level = level_in(lesson.answer.split(". ")[0], COVES)
            assert level is not None and level >= 3
    refining = [lesson in shows for lesson in of_task(found, "refine", "full_regeneration")]
    assert any(refining) and not all(refining)


def test_refinements_differ_in_old_personas_and_predictions(lessons: list[Lesson]) -> None:
    refining = of_task(lessons, "refine")
    assert len({lesson.prompt for lesson in refining}) > 0.9 * len(refining)
    assert any("predicted unknown" in lesson.prompt.user for lesson in refining)


def test_equal_seeds_teach_the_same() -> None:
    some = users_in(COVES, 5)
    assert training_lessons(some, OPTIONS, 30) == training_lessons(some, OPTIONS, 30)
    other = replace(OPTIONS, seed=2)
    assert training_lessons(some, OPTIONS, 30)[0] != training_lessons(some, other, 30)[0]


def test_validation_has_both_tasks_of_the_method() -> None:
    [someone] = users_in(COVES, 1)
    found = validation_lessons([WindowPrefix(someone, 1)], OPTIONS)
    assert [lesson.task for lesson in found] == ["initialise", "refine"]


def test_who_has_rated_nothing_has_no_verdict() -> None:
    someone = user_in(COVES, "u", [[0.0] * 4] * 3)
    for lesson in training_lessons([someone], OPTIONS, 10)[0]:
        assert lesson.verdict_answers == ()
        assert level_in(lesson.answer, COVES) is None


def test_an_answer_from_ratings_alone_says_what_the_prompt_says(whole: list[Lesson]) -> None:
    told = 0
    for lesson in of_task(whole, "initialise", "full_regeneration"):
        assert said_in_persona(lesson.answer, REEFS) == said_in_lines(lesson.prompt.user)
        told += bool(said_in_lines(lesson.prompt.user).kinds)
    assert told > 30


def test_the_verdicts_in_other_words_say_the_same_level(whole: list[Lesson]) -> None:
    for lesson in whole:
        assert len(lesson.verdict_answers) == LESSONS.verdict_answers
        level = level_in(lesson.answer.split(". ")[0], REEFS)
        assert {level_in(text, REEFS) for text in lesson.verdict_answers} == {level}
        assert said_in_persona(" ".join(lesson.verdict_answers), REEFS).kinds == ()


def follows(lesson: Lesson, shown: Said, windows: int, predicted: float | None = None) -> bool:
    """Whether the answer is what the rule makes of the old persona and of what is shown."""
    before = said_in_persona(old_persona(lesson), REEFS)
    old, new = facts(before, shown), facts(shown, shown)
    rule = merged(new, old, windows, REEFS.scale, predicted)
    answer = said_in_persona(lesson.answer, REEFS)
    return answer == Said(rule.median, rule.spread, rule.best, rule.worst, rule.known, rule.drift, rule.kinds)


def facts(said: Said, otherwise: Said) -> Facts:
    """What a text says as facts; what it does not say is that of another text."""
    names = ("median", "spread", "best", "worst")
    levels = [getattr(otherwise if getattr(said, name) is None else said, name) for name in names]
    return Facts(1, *levels, kinds=said.kinds)


def test_an_update_follows_the_rule_from_the_old_text_and_what_the_prompt_shows(whole: list[Lesson]) -> None:
    changed = Counter[str]()
    for lesson in [*of_task(whole, "refine"), *of_task(whole, "incremental_update")]:
        shown = said_in_lines(lesson.prompt.user)
        [window] = {int(k) for k in re.findall(r'"Silent reefs (\d) ', lesson.prompt.user)}
        guess = re.search(r"in the middle: actual .+, predicted ([\d.]+) ", lesson.prompt.user)
        assert follows(lesson, shown, window + 1, float(guess[1]) if guess else None), (
            lesson.prompt.user,
            lesson.answer,
        )
        texts = (old_persona(lesson), lesson.answer)
        before, after = ({one.name for one in said_in_persona(text, REEFS).kinds} for text in texts)
        changed += Counter({"kept": bool(before & after), "dropped": bool(before - after), "new": bool(after - before)})
    assert min(changed[name] for name in ("kept", "dropped", "new")) > 1, changed


def test_a_merge_follows_the_same_rule_from_its_two_texts(whole: list[Lesson]) -> None:
    for lesson in of_task(whole, "hierarchical_merge"):
        found = NEW.search(lesson.prompt.user)
        assert found
        shown = said_in_persona(found[1], REEFS)
        # Its prompt does not say how many windows there were.
        assert any(follows(lesson, shown, windows) for windows in (2, 3, 4)), (lesson.prompt.user, lesson.answer)


@pytest.mark.parametrize("options", [OPTIONS, LONG], ids=["short", "long"])
def test_an_answer_names_no_kind_that_the_prompt_does_not_show(options: LessonOptions) -> None:
    told = 0
    for lesson in training_lessons(raters(10), options, 200)[0]:
        shown = lesson.prompt.user.casefold()
        names = [one.name for one in said_in_persona(lesson.answer, REEFS).kinds]
        told += bool(names)
        assert all(re.search(rf"\b{re.escape(name.casefold())}\b", shown) for name in names)
    assert told > 40


def test_half_of_the_lessons_are_of_strong_tastes_so_that_kinds_are_taught(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    for share in (0.0, LESSONS.strong_share, 1.0):
        monkeypatch.setattr(lessons_module, "LESSONS", replace(LESSONS, strong_share=share))
        found = training_lessons(users_in(REEFS, 20), OPTIONS, 120)[0]
        told.append(sum(bool(said_in_persona(one.answer, REEFS).kinds) for one in found) / len(found))
    assert told[0] < told[1] < told[2] and LESSONS.strong_share == 0.5


def test_every_other_lesson_is_of_a_rarer_verdict() -> None:
    usual = [user_in(REEFS, f"u{n}", [[5.0] * 4] * 4) for n in range(30)]
    seldom = user_in(REEFS, "seldom", [[1.0] * 4] * 4)
    found = training_lessons([*usual, seldom], BARE, 400)[0]
    share = sum(lesson.owner.user == "seldom" for lesson in found) / len(found)
    assert share == pytest.approx((1 / 31 + 1 / 2) / 2, abs=0.03)


def test_half_of_the_old_personas_are_what_updates_make_and_the_others_are_worse(real_tastes: None) -> None:
    someone = user_in(REEFS, "u", [[3.0] * 4, [4.0] * 4, [4.0] * 4, [4.0] * 4])
    third = [
        lesson
        for lesson in of_task(training_lessons([someone], OPTIONS, 600)[0], "refine")
        if "Silent reefs 3 0" in lesson.prompt.user
    ]
    levels = Counter(level_in(old_persona(lesson).split(". ")[0], REEFS) for lesson in third)
    # Updated: from 3 half of the way to 4, then a third of it. Else that of the first window, or a wrong one.
    as_updated = levels[3.75] / len(third)
    assert verdict_rungs(3.75, REEFS.scale)[0] != verdict_rungs(3.75, REEFS.scale)[1]
    assert 0.5 < as_updated < 0.9 and levels[3.0] and len(levels) > 3
    short = sum(old_persona(lesson).count(".") == 1 for lesson in third) / len(third)
    assert short == pytest.approx(LESSONS.imperfect_persona_share / 4, abs=0.1)


def test_half_of_the_old_personas_say_the_verdict_in_the_form_of_the_answer(real_tastes: None) -> None:
    forms = [re.escape(form).replace(r"\{verdict\}", ".+").replace(r"\{items\}", "reefs") for form in VERDICTS]
    forms = [form.replace(r"\{item\}", "reef") for form in forms]

    def form_of(text: str) -> int:
        [found] = [number for number, form in enumerate(forms) if re.match(form, text)]
        return found

    someone = user_in(REEFS, "u", [[1.0, 2.0, 4.0, 5.0], [3.0] * 4, [3.5, 4.0, 4.5, 5.0], [1.0] * 4])
    found = of_task(training_lessons([someone], BARE, 900)[0], "refine", "incremental_update")
    alike = [form_of(one.answer) == form_of(old_persona(one)) for one in found]
    assert sum(alike) / len(alike) == pytest.approx(1 / 2 + 1 / 2 / len(VERDICTS), abs=0.07)
