import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino_genai as genai
import pytest
from contract import HALF_STARS, NASTY, PROMPTS, QUESTIONS, RATER, STARS, SYSTEM, EngineContract, assert_same_scores
from tiny_gguf import write_tiny_gguf

from deeper.engine import Prompt, Sampling, ScoreRequest
from deeper.engine.openvino.engine import EmbeddedEngine

pytestmark = pytest.mark.embedded


@pytest.fixture(scope="module")
def embedded() -> EmbeddedEngine:
    return EmbeddedEngine(precision="exact")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedEngine]:
    """A random model with a context of 256 tokens, one token a letter."""
    folder = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patches:
        patches.setenv("DEEPER_CACHE", str(folder / "cache"))
        yield EmbeddedEngine(write_tiny_gguf(folder / "own.gguf", context_tokens=256), precision="exact")


class TestEmbedded(EngineContract):
    compared_words = 1

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, embedded: EmbeddedEngine) -> EmbeddedEngine:
        return embedded

    def test_json_schema_is_obeyed(self, engine: EmbeddedEngine) -> None:
        """With room for blanks: the grammar allows any number of them, and above temperature 0 they are used."""
        names = ["b", "a", "Don't {look} <back> | or & ñ"]
        schema = {
            "type": "object",
            "properties": {name: {"type": "number", "enum": [0.5, 1, 1.5]} for name in names},
            "required": names,
            "additionalProperties": False,
        }
        completions = engine.generate(PROMPTS[:2], Sampling(max_tokens=150, temperature=0.7, n=3, json_schema=schema))
        assert [len(completion.texts) for completion in completions] == [3, 3]
        for text in (text for completion in completions for text in completion.texts):
            answer = json.loads(text)
            assert list(answer) == names
            assert set(answer.values()) <= {0.5, 1, 1.5}


@pytest.mark.parametrize("text", [NASTY["control"], "<|endoftext|>", "<<|im_end|>|im_end|>", "<repo_name><file_sep>"])
def test_control_tokens_in_titles_stay_text(embedded: EmbeddedEngine, text: str) -> None:
    plain, nasty = embedded._encode(Prompt("Be brief.", "Heat")), embedded._encode(Prompt(text, text))
    control = {embedded._tokens(token) for token in embedded._weights.control_tokens}
    assert all(len(tokens) == 1 for tokens in control)
    assert [t for t in nasty if (t,) in control] == [t for t in plain if (t,) in control]
    assert embedded._tokenizer.decode(list(nasty), skip_special_tokens=False).count("<|im_start|>") == 3


@pytest.mark.parametrize("kind", NASTY)
def test_every_character_reaches_the_model(embedded: EmbeddedEngine, kind: str) -> None:
    decoded = embedded._tokenizer.decode(list(embedded._encode(Prompt("s", NASTY[kind]))), skip_special_tokens=False)
    assert embedded._as_text(NASTY[kind]).strip() in decoded


def test_generate_is_reproducible_whatever_was_asked_before(embedded: EmbeddedEngine) -> None:
    shared = "The user likes slow thrillers, quiet dramas and long walks by the sea. " * 12
    prompts = [Prompt(SYSTEM, f"{shared}\nWrite a sentence about {thing}.") for thing in ("rain", "bread", "chess")]
    sampling = Sampling(max_tokens=40, temperature=1.0, n=2, seed=3)
    first = embedded.generate(prompts, sampling)
    assert len({text for completion in first for text in completion.texts}) == 6
    embedded.generate([Prompt(SYSTEM, f"{shared}\nWhat is it like?"), *PROMPTS], replace(sampling, seed=9, n=1))
    embedded.score([ScoreRequest(RATER, QUESTIONS, STARS)])
    assert embedded.generate(prompts, sampling) == first


def test_a_new_engine_gives_the_same_texts(embedded: EmbeddedEngine) -> None:
    sampling = Sampling(max_tokens=20, temperature=1.0, n=2, seed=3)
    assert EmbeddedEngine(precision="exact").generate(PROMPTS, sampling) == embedded.generate(PROMPTS, sampling)


def test_more_samples_than_sequences_run_at_once(embedded: EmbeddedEngine) -> None:
    [completion] = embedded.generate(PROMPTS[1:2], Sampling(max_tokens=4, temperature=1.0, n=70))
    assert completion.failure == ""
    assert len(completion.texts) == len(completion.tokens) == 70


class TestTooLong:
    def test_the_others_of_the_batch_are_answered(self, tiny: EmbeddedEngine) -> None:
        long = Prompt("s", "x" * 300)
        sampling = Sampling(max_tokens=5)
        [before, failed, after] = tiny.generate([PROMPTS[0], long, PROMPTS[3]], sampling)
        assert (failed.texts, failed.tokens) == ((), ())
        assert failed.failure == "the prompt has more than the 251 tokens that fit"
        # The tiny model's answers mean nothing, and may be blank; what counts is that it gave them.
        assert all(completion.tokens[0] > 0 for completion in (before, after))
        assert [before, after] == tiny.generate([PROMPTS[0], PROMPTS[3]], sampling)
        assert tiny.generate([long], sampling) == [failed]

    def test_a_full_cache_is_a_failure(self, tiny: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        scheduler = genai.SchedulerConfig()
        scheduler.num_kv_blocks, scheduler.cache_size = 2, 0
        pipeline = genai.ContinuousBatchingPipeline(tiny._weights.folder, tiny._tokenizer, scheduler, "CPU")
        monkeypatch.setattr(tiny, "_pipeline", pipeline)
        [completion] = tiny.generate([Prompt("s", "x" * 150)], Sampling(max_tokens=5, temperature=1.0, n=2))
        assert completion.texts == ()
        assert completion.failure == "the model gave an empty answer"

    def test_prompt_and_answer_share_the_context(self, tiny: EmbeddedEngine) -> None:
        length = len(tiny._encode(PROMPTS[0]))
        fits, exceeds = Sampling(max_tokens=256 - length), Sampling(max_tokens=257 - length)
        assert tiny.generate(PROMPTS[:1], fits)[0].failure == ""
        assert tiny.generate(PROMPTS[:1], exceeds)[0].failure != ""

    def test_scores_are_nan_and_said(self, tiny: EmbeddedEngine, caplog: pytest.LogCaptureFixture) -> None:
        long = "x" * 300
        requests = [ScoreRequest(RATER, ("?", long), HALF_STARS), ScoreRequest(Prompt("s", long), ("?",), STARS)]
        with caplog.at_level(logging.WARNING):
            first, second = tiny.score(requests)
        assert np.isfinite(first[0]).all()
        assert np.isnan(first[1]).all()
        assert second.shape == (1, 5)
        assert np.isnan(second).all()
        assert tiny.unscored == dict.fromkeys([(0, 1), (1, 0)], "the prompt is too long for the context")
        assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]

    def test_a_text_that_the_tokeniser_cuts_is_not_taken_for_whole(self, tmp_path: Path) -> None:
        with pytest.MonkeyPatch.context() as patches:
            patches.setenv("DEEPER_CACHE", str(tmp_path / "cache"))
            engine = EmbeddedEngine(write_tiny_gguf(tmp_path / "own.gguf", context_tokens=100_000))
        assert len(engine._tokens("x" * 20_000)) == 8192
        [completion] = engine.generate([Prompt("s", "x" * 20_000)], Sampling(max_tokens=1))
        assert "more than the 8191 tokens" in completion.failure
        [scores] = engine.score([ScoreRequest(Prompt("s", "x" * 20_000), ("?",), ("1", "2"))])
        assert np.isnan(scores).all()


class TestScore:
    REQUESTS = (
        ScoreRequest(RATER, QUESTIONS, HALF_STARS),
        ScoreRequest(Prompt(RATER.system, "The user hates everything.\n" * 9), QUESTIONS * 2, HALF_STARS),
        ScoreRequest(RATER, QUESTIONS[:1], STARS),
    )

    def test_a_batch_equals_each_request_alone(self, embedded: EmbeddedEngine) -> None:
        together = embedded.score(self.REQUESTS)
        for request, scores in zip(self.REQUESTS, together, strict=True):
            [alone] = embedded.score([request])
            assert_same_scores(scores, alone, 0.08)

    def test_a_small_pool_changes_nothing(self, embedded: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        ample = embedded.score(self.REQUESTS)
        monkeypatch.setattr(embedded._paged, "pool", 24)
        for one, other in zip(embedded.score(self.REQUESTS), ample, strict=True):
            assert_same_scores(one, other, 0.08)

    def test_duplicate_continuations_get_the_same_scores(self, embedded: EmbeddedEngine) -> None:
        [scores] = embedded.score(self.REQUESTS[1:2])
        assert_same_scores(scores[:3], scores[3:], 1e-3)

    def test_the_end_of_the_answer_closes_a_label(self, embedded: EmbeddedEngine) -> None:
        """`3` among whole stars is the token alone; beside `3.5` it is the token and the end of the answer."""
        [alone] = embedded.score([ScoreRequest(RATER, QUESTIONS, STARS)])
        [beside] = embedded.score([ScoreRequest(RATER, QUESTIONS, HALF_STARS)])
        for star in STARS[:4]:
            whole, half = beside[:, HALF_STARS.index(star)], beside[:, HALF_STARS.index(f"{star}.5")]
            assert (np.logaddexp(whole, half) <= alone[:, STARS.index(star)] + 0.08).all()
        np.testing.assert_allclose(beside[:, HALF_STARS.index("5")], alone[:, STARS.index("5")], atol=0.08)
