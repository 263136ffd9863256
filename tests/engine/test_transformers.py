import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract import HALF_STARS, NASTY, PROMPTS, QUESTIONS, RATER, STARS, EngineContract
from hypothesis import given
from hypothesis import strategies as st

from deeper.engine import Prompt, Sampling, ScoreRequest, computes_in
from deeper.engine.adapter import write_card
from deeper.engine.registry import make_engine
from deeper.errors import UserError, install_extra

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from peft import LoraConfig, get_peft_model  # noqa: E402
from reference import score  # noqa: E402
from tiny_llama import write_tiny_llama  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from deeper.engine.torch import engine as torch_engine  # noqa: E402
from deeper.engine.torch.engine import TransformersEngine  # noqa: E402
from deeper.engine.torch.generate import BatchLimits, Sample, next_tokens, plan_batches, write_samples  # noqa: E402
from deeper.engine.torch.model import base_of, encode_chat, encode_label, load_model  # noqa: E402
from deeper.engine.torch.out_of_memory import in_halves  # noqa: E402

LONG = "x" * 3000
"""More letters than the tiny model has positions."""


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> TransformersEngine:
    return TransformersEngine(str(tiny_folder), device="cpu", precision="exact")


class TestTiny(EngineContract):
    batch_tolerance = 1e-4

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, tiny: TransformersEngine) -> TransformersEngine:
        return tiny

    @pytest.mark.parametrize(("number_type", "said"), [("f32", "32-bit floats"), ("bf16", "bfloat16")])
    def test_it_names_its_precision(
        self, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, number_type: str, said: str
    ) -> None:
        monkeypatch.setattr("deeper.engine.torch.model.number_type", lambda precision: number_type)
        assert computes_in(TransformersEngine(str(tiny_folder), device="cpu")) == said


@pytest.mark.reference
class TestSmall(EngineContract):
    compared_words = 1
    batch_tolerance = 1e-3

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, small: TransformersEngine) -> TransformersEngine:
        return small

    def test_its_weights_can_be_trained_and_saved(self, engine: TransformersEngine) -> None:
        assert not engine._model.is_quantized
        assert not hasattr(engine._model.config, "quantization_config")
        assert {p.dtype for p in engine._model.parameters()} == {torch.float32}


def encode(engine: TransformersEngine, prompt: Prompt) -> list[int]:
    return encode_chat(engine._tokenizer, prompt, engine._control_tokens)


def greedy(model: Any, prompt: Sequence[int], ends: frozenset[int], tokens: int) -> list[int]:
    """Without a cache: the whole sequence is computed for each token."""
    answer: list[int] = []
    while len(answer) < tokens and not ends & set(answer):
        with torch.inference_mode():
            answer.append(model(torch.tensor([[*prompt, *answer]])).logits[0, -1].argmax().item())
    return answer


class TestGenerate:
    SAMPLES = tuple(Sample(prompt, sample) for prompt in range(3) for sample in range(2))

    @pytest.fixture(scope="class")
    @classmethod
    def prompts(cls, tiny: TransformersEngine) -> list[list[int]]:
        return [encode(tiny, prompt) for prompt in PROMPTS[:3]]

    def test_greedy_answers_are_those_without_cache_and_padding(self, tiny, prompts) -> None:
        assert len({len(prompt) for prompt in prompts}) == 3
        rows = [Sample(prompt, 0) for prompt in range(3)]
        answers = write_samples(
            tiny._model, prompts, rows, max_tokens=8, temperature=0, seed=0, end_tokens=tiny._end_tokens
        )
        assert answers == [greedy(tiny._model, prompt, tiny._end_tokens, 8) for prompt in prompts]

    def test_a_sample_is_decided_by_seed_prompt_and_number_alone(self, tiny, prompts) -> None:
        """Neither neighbours nor the rows that end earlier change it."""
        end_tokens = frozenset(range(3, 90))
        options: dict[str, Any] = {"max_tokens": 30, "temperature": 1.0, "seed": 4, "end_tokens": end_tokens}
        together = write_samples(tiny._model, prompts, self.SAMPLES, **options)
        assert len({len(answer) for answer in together}) > 2
        assert len(set(map(tuple, together))) == len(self.SAMPLES)
        assert together == [write_samples(tiny._model, prompts, [row], **options)[0] for row in self.SAMPLES]
        for answer in together:
            assert not end_tokens & set(answer[:-1])
            assert len(answer) == 30 or answer[-1] in end_tokens

    def test_small_batches_change_nothing(self, tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        sampling = Sampling(max_tokens=6, temperature=1.0, n=3, seed=2)
        ample = tiny.generate(PROMPTS, sampling)
        monkeypatch.setattr(tiny, "_limits", BatchLimits(200, 2))
        assert tiny.generate(PROMPTS, sampling) == ample

    def test_a_schema_leaves_no_room_for_blanks(self, tiny) -> None:
        schema = {"type": "object", "properties": {"a": {"enum": [1, 2]}, "é": {"enum": [3.5]}}, "required": ["a", "é"]}
        sampling = Sampling(max_tokens=40, temperature=1.0, n=4, json_schema={**schema, "additionalProperties": False})
        [completion] = tiny.generate(PROMPTS[:1], sampling)
        for text in completion.texts:
            assert text == json.dumps(json.loads(text), ensure_ascii=False)
            assert set(json.loads(text)) == {"a", "é"}


@given(
    lengths=st.lists(st.integers(1, 50), max_size=8),
    n=st.integers(1, 5),
    tokens=st.integers(1, 300),
    rows=st.integers(1, 9),
)
def test_batches_hold_every_sample_once_within_the_limits(lengths: list[int], n: int, tokens: int, rows: int) -> None:
    batches = plan_batches(lengths, n, 10, BatchLimits(tokens, rows))
    planned = [row for batch in batches for row in batch]
    assert sorted(planned, key=lambda row: (row.prompt, row.number)) == [
        Sample(i, j) for i in range(len(lengths)) for j in range(n)
    ]
    for batch in batches:
        longest = max(lengths[row.prompt] for row in batch)
        assert len(batch) == 1 or (len(batch) <= rows and len(batch) * (longest + 10) <= tokens)


def test_samples_of_a_prompt_stay_together() -> None:
    batches = plan_batches([10, 30, 20], 4, 10, BatchLimits(320, 100))
    assert [{row.prompt for row in batch} for batch in batches] == [{1, 2}, {0}]


class TestNextTokens:
    LOGITS = torch.tensor([[0.0, 2.0, 1.0, float("-inf")]])

    def test_temperature_0_takes_the_likeliest(self) -> None:
        assert next_tokens(self.LOGITS, 0, torch.tensor([0.99], dtype=torch.float64)).tolist() == [1]

    def test_draws_fall_where_the_probabilities_say(self) -> None:
        draws = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
        chosen = next_tokens(self.LOGITS.expand(1000, -1), 0.5, draws)
        shares = torch.bincount(chosen, minlength=4) / 1000
        torch.testing.assert_close(shares, (self.LOGITS[0] / 0.5).softmax(dim=0), atol=2e-3, rtol=0)

    def test_what_is_impossible_is_never_chosen(self) -> None:
        logits = torch.tensor([[float("-inf"), 0.0, float("-inf")]] * 2)
        draws = torch.tensor([0.0, np.nextafter(1.0, 0.0)], dtype=torch.float64)
        assert next_tokens(logits, 1.0, draws).tolist() == [1, 1]


class TestScore:
    REQUESTS = (
        ScoreRequest(RATER, QUESTIONS, HALF_STARS),
        ScoreRequest(PROMPTS[0], ("\nRate cats.",), STARS),
        ScoreRequest(RATER, QUESTIONS[:2], ("good", "good enough", "bad")),
    )

    def test_scores_are_those_of_each_answer_for_itself(self, tiny) -> None:
        for request, scores in zip(self.REQUESTS, tiny.score(self.REQUESTS), strict=True):
            labels = [encode_label(tiny._tokenizer, label) for label in request.labels]
            for row, text in zip(scores, request.continuations, strict=True):
                prompt = encode(tiny, Prompt(request.prompt.system, request.prompt.user + text))
                expected = score(tiny._model, prompt, labels, tiny._tokenizer.eos_token_id)
                np.testing.assert_allclose(row, expected, rtol=0, atol=1e-3)

    def test_small_batches_change_nothing(self, tiny, monkeypatch: pytest.MonkeyPatch) -> None:
        ample = tiny.score(self.REQUESTS)
        monkeypatch.setitem(torch_engine.SCORE_BATCH_TOKENS, "cpu", 300)
        for one, other in zip(tiny.score(self.REQUESTS), ample, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-3)

    def test_usage_counts_the_shared_prefix_as_cached(self, tiny) -> None:
        before = tiny.usage
        tiny.score([ScoreRequest(RATER, ("first", "second", "third"), STARS)])
        spent = tiny.usage - before
        whole = [encode(tiny, Prompt(RATER.system, RATER.user + text)) for text in ("first", "second", "third")]
        shared = len(encode(tiny, RATER)) - len("<|assistant\n")
        assert (spent.calls, spent.tokens_prompt, spent.tokens_generated) == (1, sum(map(len, whole)), 0)
        assert spent.tokens_cached == 2 * next(
            i for i in range(shared + 9) if len({tuple(ids[: i + 1]) for ids in whole}) > 1
        )


class TestTooLong:
    def test_the_others_of_the_batch_are_answered(self, tiny) -> None:
        [before, failed, after] = tiny.generate([PROMPTS[0], Prompt("s", LONG), PROMPTS[3]], Sampling(max_tokens=5))
        assert (failed.texts, failed.tokens) == ((), ())
        assert failed.failure == "the prompt has more than the 2043 tokens that fit"
        assert [before.failure, after.failure] == ["", ""]

    def test_scores_are_nan_and_said(self, tiny, caplog: pytest.LogCaptureFixture) -> None:
        requests = [ScoreRequest(RATER, ("?", LONG), HALF_STARS), ScoreRequest(Prompt("s", LONG), ("?",), STARS)]
        with caplog.at_level(logging.WARNING):
            first, second = tiny.score(requests)
        assert np.isfinite(first[0]).all()
        assert np.isnan(first[1]).all()
        assert second.shape == (1, 5)
        assert np.isnan(second).all()
        assert tiny.unscored == dict.fromkeys([(0, 1), (1, 0)], "the prompt is too long for the context")
        assert [record.name for record in caplog.records] == ["deeper.engine.torch.engine"] * 2


@pytest.mark.parametrize("text", [NASTY["control"], "<|endoftext|>", "<<|im_end|>|im_end|>"])
def test_control_tokens_in_titles_stay_text(tiny, text: str) -> None:
    control = {0, 1, 2}
    assert {token for name in tiny._control_tokens for token in tiny._tokenizer.encode(name)} == control
    plain, nasty = encode(tiny, Prompt("Be brief.", "Heat")), encode(tiny, Prompt(text, text))
    assert [token for token in nasty if token in control] == [token for token in plain if token in control]


class TestOutOfMemory:
    def test_a_batch_is_done_in_halves(self, caplog: pytest.LogCaptureFixture) -> None:
        sizes: list[int] = []

        def work(batch: Sequence[int]) -> list[int]:
            sizes.append(len(batch))
            if len(batch) > 2:
                raise torch.OutOfMemoryError
            return [10 * member for member in batch]

        with caplog.at_level(logging.WARNING):
            assert in_halves(work, [1, 2, 3, 4, 5]) == [10, 20, 30, 40, 50]
        assert sizes == [5, 2, 3, 1, 2]
        assert len(caplog.records) == 2

    def test_a_single_prompt_that_does_not_fit_is_said(self) -> None:
        def work(batch: Sequence[int]) -> list[int]:
            raise torch.OutOfMemoryError

        with pytest.raises(UserError, match="too little memory for a single prompt"):
            in_halves(work, [1, 2])


class TestAdapter:
    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("adapter")
        torch.manual_seed(1)
        config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False)
        model = AutoModelForCausalLM.from_pretrained(tiny_folder)
        get_peft_model(model, config).save_pretrained(folder)
        write_card(folder, kind="predictor", base=base_of(str(tiny_folder)), templates={}, users=[], provenance={})
        return folder

    def test_changes_the_scores_as_merged_weights_do(self, tiny, tiny_folder: Path, folder: Path) -> None:
        adapted = make_engine(f"transformers:{tiny_folder}", str(folder), precision="exact")
        [scores] = adapted.score([ScoreRequest(RATER, QUESTIONS[:1], STARS)])
        [without] = tiny.score([ScoreRequest(RATER, QUESTIONS[:1], STARS)])
        assert np.abs(scores - without).max() > 0.1

        from peft import PeftModel

        merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), folder).merge_and_unload()
        prompt = encode(tiny, Prompt(RATER.system, RATER.user + QUESTIONS[0]))
        labels = [encode_label(tiny._tokenizer, label) for label in STARS]
        expected = score(merged.eval(), prompt, labels, tiny._tokenizer.eos_token_id)
        np.testing.assert_allclose(scores[0], expected, rtol=0, atol=1e-3)
        assert adapted.fingerprint != tiny.fingerprint

    def test_of_other_weights_is_refused(self, folder: Path, tmp_path: Path) -> None:
        other = write_tiny_llama(tmp_path, seed=1)
        with pytest.raises(UserError, match="the adapter was trained on the weights"):
            make_engine(f"transformers:{other}", str(folder))


class TestNoModel:
    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="there is no such folder"):
            load_model(str(tmp_path / "nowhere"))

    def test_a_folder_without_a_model(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="not a model that transformers can read"):
            load_model(str(tmp_path))

    def test_a_model_that_safetensors_do_not_hold_has_no_identity(self, tmp_path: Path) -> None:
        (tmp_path / "pytorch_model.bin").write_bytes(b"weights")
        with pytest.raises(UserError, match="no safetensors file") as caught:
            base_of(str(tmp_path))
        assert caught.value.where == str(tmp_path)

    def test_a_model_without_a_chat_template(self, tiny_folder: Path, tmp_path: Path) -> None:
        write_tiny_llama(tmp_path)
        tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
        tokenizer.chat_template = None
        (tmp_path / "chat_template.jinja").unlink()
        tokenizer.save_pretrained(tmp_path)
        with pytest.raises(UserError, match="no chat template"):
            load_model(str(tmp_path))

    def test_a_name_that_the_hub_cannot_have(self) -> None:
        with pytest.raises(UserError, match="the model cannot be fetched"):
            make_engine("transformers:no such/name here")

    def test_without_torch_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "deeper.engine.torch.engine", None)
        with pytest.raises(UserError, match="needs a package that is not installed") as caught:
            make_engine("transformers")
        assert install_extra("train") in str(caught.value)
