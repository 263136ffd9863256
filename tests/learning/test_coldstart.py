"""What policies are taught, and the loss on it."""

import re
from collections import Counter
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from deeper.learning.describer.facts import facts_of
from deeper.learning.describer.phrases import BETWEEN
from deeper.learning.describer.phrases import VERDICT as VERDICTS
from training_cases import COVES, REEFS, user_in, users_in

from deeper.domains.level_words import LEVEL_WORDS
from deeper.domains.levels import LADDER, halfway, verdict_rungs
from deeper.engine.torch.model import control_tokens_of, encode_chat, load_model
from deeper.learning.examples.lessons import Lesson, LessonOptions, training_lessons, validation_lessons
from deeper.learning.examples.recipe import LESSONS
from deeper.learning.examples.user_windows import UserWindows, WindowPrefix
from deeper.learning.training.coldstart import (
    VERDICT,
    AnswerTokens,
    Encoder,
    Example,
    losses,
    score,
    validate,
)
from deeper.learning.training.lora import with_lora
from deeper.learning.training.recipe import COLDSTART
from deeper.learning.training.supervised import train_on_examples
from deeper.learning.training.trainer import TrainingPlan
from deeper.persona.leaks import find_leaks
from deeper.persona.prompts.templates import load_prompts
from deeper.persona.update_input import initial_prompt
from deeper.persona.updaters import UPDATERS

OPTIONS = LessonOptions(load_prompts(), 120, seed=1)
EXAMPLES = [
    Example(
        (5, 6, 7, 8), (AnswerTokens((9, 10, 2), (1.0, 4.0, 1.0)), AnswerTokens((11, 12, 13, 2), (0.0, 4.0, 4.0, 0.0)))
    ),
    Example((11, 12), (AnswerTokens((13, 14, 15, 16, 2), (1.0,) * 5),)),
]


@pytest.fixture(scope="module")
def lessons() -> list[Lesson]:
    return training_lessons([*users_in(COVES, 20), *users_in(REEFS, 5)], OPTIONS, 900)[0]


def titles(of: UserWindows) -> list[str]:
    return [item["title"] for window in of.windows for item in window]


def test_tasks_have_their_shares_and_domains_weigh_the_same() -> None:
    _, counts = training_lessons([*users_in(COVES, 20), *users_in(REEFS, 5)], OPTIONS, 300)
    assert (counts["coves"], counts["reefs"]) == (150, 150)
    for task, share in LESSONS.task_shares.items():
        assert counts[task] / 300 == pytest.approx(share, abs=0.06)
    assert LESSONS.task_shares.keys() == UPDATERS.keys() | {"initialise"}
    assert sum(LESSONS.task_shares.values()) == pytest.approx(1)


def test_answers_hold_no_title_and_fit(lessons: list[Lesson]) -> None:
    for lesson in lessons:
        assert lesson.answer
        assert not find_leaks(lesson.answer, titles(lesson.owner))
        assert len(lesson.answer.split()) <= OPTIONS.max_words


def test_a_lesson_to_initialise_asks_for_one_window(lessons: list[Lesson]) -> None:
    first = [lesson for lesson in lessons if lesson.task == "initialise"]
    for lesson in first[:40]:
        prompts = {
            initial_prompt(OPTIONS.prompts, lesson.owner.domain, [window], OPTIONS.max_tokens)
            for window in lesson.owner.windows
        }
        assert lesson.prompt in prompts


def test_a_lesson_never_shows_a_window_after_what_the_answer_knows() -> None:
    # The last window alone is bad; a describer that has not seen it cannot say so.
    someone = user_in(COVES, "u", [[5.0] * 4, [5.0] * 4, [1.0] * 4])
    lessons = training_lessons([someone], OPTIONS, 200)[0]
    last = [item["title"] for item in someone.windows[2]]
    shows = [lesson for lesson in lessons if any(title in lesson.prompt.user for title in last)]
    assert {lesson.task for lesson in shows} >= {"refine", "incremental_update", "full_regeneration"}
    refining = [lesson for lesson in lessons if lesson.task == "refine"]
    assert any(lesson in shows for lesson in refining)
    assert any(lesson not in shows for lesson in refining)


def test_refinements_differ_in_old_personas_and_predictions(lessons: list[Lesson]) -> None:
    refining = [lesson for lesson in lessons if lesson.task == "refine"]
    assert len({lesson.prompt for lesson in refining}) > 0.9 * len(refining)
    assert any("predicted unknown" in lesson.prompt.user for lesson in refining)


def test_equal_seeds_teach_the_same() -> None:
    some = users_in(COVES, 5)
    assert training_lessons(some, OPTIONS, 30) == training_lessons(some, OPTIONS, 30)
    other = LessonOptions(OPTIONS.prompts, OPTIONS.max_tokens, seed=2)
    assert training_lessons(some, OPTIONS, 30)[0] != training_lessons(some, other, 30)[0]


def test_validation_has_both_tasks_of_the_method() -> None:
    [someone] = users_in(COVES, 1)
    assert [lesson.task for lesson in validation_lessons([WindowPrefix(someone, 1)], OPTIONS)] == [
        "initialise",
        "refine",
    ]


@pytest.fixture(scope="module")
def tiny(tiny_base: Path) -> tuple[Any, Any]:
    return load_model(str(tiny_base), "cpu", torch.float32)


def test_prompts_and_answers_are_those_of_the_engine(tiny: tuple[Any, Any], lessons: list[Lesson]) -> None:
    _, tokenizer = tiny
    for lesson in Random(1).sample(lessons, 5):
        example = Encoder(tokenizer)(lesson)
        assert list(example.prompt) == encode_chat(tokenizer, lesson.prompt, control_tokens_of(tokenizer))
        for answer, text in zip(example.answers, (lesson.answer, *lesson.verdict_answers), strict=True):
            assert tokenizer.decode(answer.tokens[:-1]) == text
            assert answer.tokens[-1] == tokenizer.eos_token_id
            assert len(answer.weights) == len(answer.tokens)


def test_the_words_of_the_verdict_weigh_more_and_alone_count_in_other_phrasings(
    tiny: tuple[Any, Any], lessons: list[Lesson]
) -> None:
    _, tokenizer = tiny
    for lesson in Random(2).sample(lessons, 20):
        persona, *verdicts = Encoder(tokenizer)(lesson).answers
        assert verdicts
        for answer, text in zip((persona, *verdicts), (lesson.answer, *lesson.verdict_answers), strict=True):
            heavy = [token for token, weight in zip(answer.tokens, answer.weights, strict=True) if weight > 1]
            assert tokenizer.decode(heavy).replace(" ", "") == "".join(VERDICT.findall(text)).replace(" ", "")
            assert heavy
        assert set(persona.weights) == {1.0, COLDSTART.verdict_weight}
        assert {weight for answer in verdicts for weight in answer.weights} == {0.0, COLDSTART.verdict_weight}


@pytest.mark.parametrize("verdict", ["great", "So-so", *(form.format(low="bad", high="so-so") for form in BETWEEN)])
def test_a_verdict_is_heavy_as_a_whole(verdict: str) -> None:
    assert VERDICT.findall(f"This person finds most coves {verdict}. Not everything.") == [verdict]


def test_who_has_rated_nothing_has_no_verdict() -> None:
    someone = user_in(COVES, "u", [[0.0] * 4] * 3)
    for lesson in training_lessons([someone], OPTIONS, 10)[0]:
        assert lesson.verdict_answers == ()
        assert not VERDICT.search(lesson.answer)


def test_verdicts_are_the_only_words_of_levels(lessons: list[Lesson]) -> None:
    for lesson in lessons:
        if lesson.task != "initialise":
            continue
        shown = next(w for w in lesson.owner.windows if w[0]["title"] in lesson.prompt.user)
        domain = lesson.owner.domain
        low, high = verdict_rungs(facts_of([shown], domain).median, domain.scale)
        for text in (lesson.answer, *lesson.verdict_answers):
            assert levels_in(text) <= {*LEVEL_WORDS[low], *LEVEL_WORDS[high]}


def test_every_other_lesson_is_of_a_rarer_verdict() -> None:
    usual = [user_in(REEFS, f"u{n}", [[5.0] * 4] * 4) for n in range(30)]
    seldom = user_in(REEFS, "seldom", [[1.0] * 4] * 4)
    lessons = training_lessons([*usual, seldom], OPTIONS, 400)[0]
    share = sum(lesson.owner.user == "seldom" for lesson in lessons) / len(lessons)
    assert share == pytest.approx((1 / 31 + 1 / 2) / 2, abs=0.03)


def test_an_update_goes_half_the_way_that_the_errors_point_to() -> None:
    someone = user_in(REEFS, "u", [[3.0] * 4] * 4)
    directions = set()
    for lesson in training_lessons([someone], OPTIONS, 300)[0]:
        middles = r"middle: actual 3 .*predicted (\S+) .*(right|too high|too low)"
        found = re.search(middles, lesson.prompt.user)
        # Old verdicts are whole steps here, so that a prediction between two of them may be taken for either.
        if found and float(found[1]) % REEFS.scale.step == 0:
            target = halfway(float(found[1]), 3.0, REEFS.scale)
            low, high = verdict_rungs(target, REEFS.scale)
            assert levels_in(lesson.answer) <= {*LEVEL_WORDS[low], *LEVEL_WORDS[high]}
            directions.add((found[2], target))
    assert {("right", 3.0), ("too low", 2.0), ("too high", 3.5)} <= directions


def test_an_old_verdict_between_two_scores_is_not_lost_where_the_prediction_is_one_of_them() -> None:
    someone = user_in(REEFS, "u", [[3.0, 3.5] * 2, [3.0] * 4])
    said = set()
    for lesson in training_lessons([someone], OPTIONS, 300)[0]:
        shown = re.search(r"middle: actual 3 .*predicted (\S+) ", lesson.prompt.user)
        old = lesson.prompt.user.partition("scores")[0]
        if shown and shown[1] in ("3", "3.5") and levels_in(old) == {"decent", "fair"}:
            said.add(shown[1])
            assert levels_in(lesson.answer) <= {*LEVEL_WORDS[LADDER.index("fair")]}
    assert said == {"3", "3.5"}


def test_an_update_that_is_not_told_predictions_goes_half_the_way_from_the_old_verdict() -> None:
    someone = user_in(REEFS, "u", [[1.0] * 4, [5.0] * 4])
    lessons = training_lessons([someone], OPTIONS, 400)[0]
    answers = [one.answer for one in lessons if one.task in ("incremental_update", "hierarchical_merge")]
    said = Counter(
        frozenset(n for n, words in enumerate(LEVEL_WORDS) if levels_in(text) & {*words}) for text in answers
    )
    right, *others = [frozenset(verdict_rungs((old + 5) / 2, REEFS.scale)) for old in (1.0, 0.5, 1.5, 2.0)]
    assert said.most_common(1)[0][0] == right
    assert set(said) == {right, *others}


def test_an_update_tells_no_kind_that_neither_the_old_persona_nor_the_new_window_shows() -> None:
    liked = {"Amber Brook": 5.0, "Quiet Brook": 5.0, "Brook Hollow": 5.0, "Slate": 1.0, "Gneiss": 2.0, "Basalt": 1.0}
    windows = [
        [
            {"item": title, "title": title, "categories": [], "rating": rating, "time": None}
            for title, rating in rated.items()
        ]
        for rated in (liked, dict.fromkeys(("Marl", "Chalk", "Flint", "Shale"), 3.0))
    ]
    lessons = training_lessons([UserWindows(REEFS, "u", windows)], OPTIONS, 300)[0]
    updated = [one for one in lessons if one.task in ("refine", "incremental_update", "hierarchical_merge")]
    told = ["brook" in one.answer for one in updated]
    shown = ["brook" in one.prompt.user for one in updated]
    assert not any(answer and not prompt for answer, prompt in zip(told, shown, strict=True))
    assert 0 < sum(told) < len(told) and sum(told) > sum(shown) / 2


def test_half_of_the_old_personas_say_the_verdict_in_the_form_of_the_answer() -> None:
    forms = [re.escape(form).replace(r"\{verdict\}", ".+").replace(r"\{items\}", "reefs") for form in VERDICTS]
    forms = [form.replace(r"\{item\}", "reef") for form in forms]

    def form_of(text: str) -> int:
        [found] = [number for number, form in enumerate(forms) if re.search(form, text)]
        return found

    someone = user_in(REEFS, "u", [[1.0, 2.0, 4.0, 5.0], [3.0] * 4, [3.5, 4.0, 4.5, 5.0], [1.0] * 4])
    lessons = [one for one in training_lessons([someone], OPTIONS, 900)[0] if one.task == "refine"]
    alike = [form_of(one.answer) == form_of(one.prompt.user.partition("The person's")[0]) for one in lessons]
    assert sum(alike) / len(alike) == pytest.approx(1 / 2 + 1 / 2 / len(VERDICTS), abs=0.07)


def levels_in(text: str) -> set[str]:
    """The words of levels."""
    return set(re.findall(r"[\w-]+", text.lower())) & set(chain(*LEVEL_WORDS))


def one_by_one(model: Any, example: Example) -> float:
    """The loss of an example with a sequence for each answer."""
    said, weight = 0.0, 0.0
    with torch.inference_mode():
        for answer in example.answers:
            logits = model(torch.tensor([[*example.prompt, *answer.tokens[:-1]]])).logits[0, len(example.prompt) - 1 :]
            log_probs = logits.log_softmax(dim=-1)[range(len(answer.tokens)), list(answer.tokens)]
            said -= float((log_probs * torch.tensor(answer.weights)).sum())
            weight += sum(answer.weights)
    return said / weight


def test_answers_behind_one_prompt_are_read_as_if_alone(tiny: tuple[Any, Any]) -> None:
    model, _ = tiny
    with torch.inference_mode():
        both = score(model, EXAMPLES)
        assert both.losses.tolist() == pytest.approx([one_by_one(model, example) for example in EXAMPLES], abs=1e-4)
        for row, example in enumerate(EXAMPLES):
            assert both.losses[row] == pytest.approx(float(score(model, [example]).losses), abs=1e-4)
    assert both.likeliest.shape == both.weights.shape == (3, 5)


@pytest.mark.parametrize("micro_batch", [1, 2])
def test_the_trainers_loss_is_that_of_the_answers(micro_batch: int, tiny_base: Path, tmp_path: Path) -> None:
    model, _ = load_model(str(tiny_base), "cpu", torch.float32)
    plan = TrainingPlan(1, 2, micro_batch, 1e-3, 0, 2, 4, "all", 1, 1, seed=1)
    model = with_lora(model, plan)
    before = validate(model, EXAMPLES)
    log = train_on_examples(
        model, EXAMPLES, plan, tmp_path,
        loss=losses, validate=lambda: validate(model, EXAMPLES), show=lambda progress: None,
    )  # fmt: skip
    [step] = [entry for entry in log if "loss" in entry]
    assert step["loss"] == pytest.approx(before["loss"], abs=1e-4)
    assert 0 <= before["hits"] <= 1
    assert [entry["validation"] for entry in log if "validation" in entry][0] == before
