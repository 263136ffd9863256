"""The embedded engine: a small model on this machine's CPU through OpenVINO, without a key or a network.

`generate` uses OpenVINO GenAI's continuous-batching pipeline: n samples compute the prompt once, and JSON schemas work.
`score` runs the same model with our own paged cache (`paged_model.py`), because the pipeline returns only the
log-probability of the sampled token.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import openvino
import openvino_genai as genai
from numpy.typing import NDArray

from deeper.engine.complete import complete, too_long
from deeper.engine.control_tokens import as_text
from deeper.engine.label_tree import LabelTree, label_tree, split_prefix
from deeper.engine.openvino.compile import make_pipeline
from deeper.engine.openvino.paged_model import PagedModel
from deeper.engine.openvino.score import Question, score_questions
from deeper.engine.openvino.weights import prepare_weights
from deeper.engine.precision import IN_WORDS, NumberType, number_type
from deeper.engine.protocol import Completion, Precision, Prompt, Sampling, ScoreRequest, Usage

Floats = NDArray[np.float64]

TOKENISER_MAX_TOKENS = 8192
"""OpenVINO's tokeniser silently cuts longer texts; a sequence of this length may have been cut."""


class EmbeddedEngine:
    """A GGUF model on OpenVINO."""

    is_repeatable = True

    def __init__(self, weights: Path | None = None, adapter: Path | None = None, precision: Precision = "auto") -> None:
        """Prepare the weights (once) and load the tokeniser. The two models are compiled when they are first used.

        Args:
            weights: A GGUF file; None takes the small model SmolLM2-135M-Instruct.
            adapter: Folder of an adapter to merge into the weights.
            precision: What the model computes in.

        Raises:
            UserError: The weights cannot be fetched or read, the adapter does not fit them, or the processor cannot
                compute in this precision.
        """
        self._numbers: NumberType = number_type(precision)
        self._weights = prepare_weights(weights, adapter)
        self._tokenizer = genai.Tokenizer(self._weights.gguf)
        self._context_tokens = min(self._weights.context_tokens, TOKENISER_MAX_TOKENS)
        self._usage = Usage()
        self.unscored: dict[tuple[int, int], str] = {}
        self._label_tree = lru_cache(maxsize=64)(self._build_label_tree)

    @property
    def fingerprint(self) -> str:
        """Weights, adapter, runtime, precision and processor: they decide the logits, and so the texts."""
        processor = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
        runtime = genai.get_version().split("-")[0]
        return (
            f"embedded:{self._weights.identity}:{self._numbers}:openvino-genai-{runtime}:{processor} x{os.cpu_count()}"
        )

    @property
    def computes_in(self) -> str:
        """The numbers of the model's body, in words."""
        return IN_WORDS[self._numbers]

    @property
    def usage(self) -> Usage:
        """A copy of the counts so far."""
        return replace(self._usage)

    @cached_property
    def _pipeline(self) -> genai.ContinuousBatchingPipeline:
        return make_pipeline(self._weights.folder, self._numbers, self._tokenizer)

    @cached_property
    def _paged(self) -> PagedModel:
        return PagedModel(self._weights.folder / "openvino_model.xml", self._numbers)

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """Answer each prompt `sampling.n` times; see `Engine.generate`."""
        return complete(
            [self._encode(prompt) for prompt in prompts],
            self._context_tokens,
            sampling,
            self._generate_tokens,
            lambda sample: self._tokenizer.decode(list(sample), skip_special_tokens=True),
            self._usage,
        )

    def score(self, requests: Sequence[ScoreRequest]) -> list[Floats]:
        """Return log-probabilities of labels as answers; see `Engine.score`."""
        questions: list[Question] = []
        for request in requests:
            prompts = [
                self._encode(Prompt(request.prompt.system, request.prompt.user + continuation))
                for continuation in request.continuations
            ]
            prefix, tails = split_prefix(prompts) if prompts else ((), ())
            questions.append(Question(prefix, tails, self._label_tree(request.labels)))
            self._usage.calls += 1
            self._usage.tokens_prompt += sum(map(len, prompts))
            self._usage.tokens_cached += len(prefix) * max(0, len(tails) - 1)
        scores = score_questions(self._paged, questions, self._context_tokens)
        self.unscored = too_long(scores)
        return scores

    def _generate_tokens(self, sequences: Sequence[Sequence[int]], sampling: Sampling) -> list[list[list[int]]]:
        """Return the token ids of the samples of each sequence."""
        if not sequences:  # the pipeline refuses an empty batch
            return []
        n = 1 if sampling.temperature == 0 else sampling.n
        # Samples of one request would share one grammar state and break it, so each gets a request of its own.
        requests_per_prompt = n if sampling.json_schema is not None else 1
        requests = [sequence for sequence in sequences for _ in range(requests_per_prompt)]
        answers = self._pipeline.generate(
            [openvino.Tensor(np.array([sequence], np.int64)) for sequence in requests],
            [self._generation_config(sampling, n // requests_per_prompt, index) for index in range(len(requests))],
        )
        groups = [answers[at : at + requests_per_prompt] for at in range(0, len(answers), requests_per_prompt)]
        # Greedy samples are all equal: one is generated and repeated.
        return [[ids for answer in group for ids in answer.m_generation_ids] * (sampling.n // n) for group in groups]

    def _generation_config(self, sampling: Sampling, n: int, index: int) -> genai.GenerationConfig:
        config = genai.GenerationConfig(
            max_new_tokens=sampling.max_tokens,
            num_return_sequences=n,
            do_sample=sampling.temperature > 0,
            rng_seed=(sampling.seed * 1_000_003 + index) % 2**32,
            eos_token_id=self._tokenizer.get_eos_token_id(),
        )
        if sampling.temperature > 0:
            config.temperature = sampling.temperature
        if sampling.json_schema is not None:
            config.structured_output_config = genai.StructuredOutputConfig(json_schema=json.dumps(sampling.json_schema))
        return config

    def _encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the tokens of the chat up to where the answer begins. Control tokens in the messages stay text."""
        messages = [
            {"role": "system", "content": self._as_text(prompt.system)},
            {"role": "user", "content": self._as_text(prompt.user)},
        ]
        text = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        return self._tokens(text)

    def _as_text(self, text: str) -> str:
        return as_text(text, self._weights.control_tokens)

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).input_ids.data[0].tolist())

    def _build_label_tree(self, labels: tuple[str, ...]) -> LabelTree:
        return label_tree([self._tokens(label) for label in labels], self._tokenizer.get_eos_token_id())
