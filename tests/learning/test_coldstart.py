"""The loss on what policies are taught."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from training_cases import COVES, REEFS, users_in

from deeper.engine.torch.model import control_tokens_of, encode_chat, load_model
from deeper.learning.examples.lessons import Lesson, LessonOptions, training_lessons
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
from deeper.persona.describer.phrases import BETWEEN
from deeper.persona.prompts.templates import load_prompts

OPTIONS = LessonOptions(load_prompts(evidence="kinds"), 96, seed=1)
EXAMPLES = [
    Example(
        (5, 6, 7, 8), (AnswerTokens((9, 10, 2), (1.0, 4.0, 1.0)), AnswerTokens((11, 12, 13, 2), (0.0, 4.0, 4.0, 0.0)))
    ),
    Example((11, 12), (AnswerTokens((13, 14, 15, 16, 2), (1.0,) * 5),)),
]


@pytest.fixture(scope="module")
def lessons() -> list[Lesson]:
    return training_lessons([*users_in(COVES, 20), *users_in(REEFS, 5)], OPTIONS, 300)[0]


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


def test_verdicts_alone_are_heavy(lessons: list[Lesson]) -> None:
    for lesson in lessons:
        first, _, rest = lesson.answer.partition(". ")
        assert len(VERDICT.findall(first)) == 1
        assert not VERDICT.findall(rest)
        assert all(len(VERDICT.findall(text)) == 1 for text in lesson.verdict_answers)


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
