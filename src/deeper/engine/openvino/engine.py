"""The embedded engine: a small model on this machine's CPU through OpenVINO, no key and no network.

`generate` runs on OpenVINO GenAI's continuous-batching pipeline (n samples cost one prompt, JSON schema), without its
prefix cache: what a cache holds depends on what was asked before, it changes the last digits of the logits, and so a
continued run would write other texts than an undisturbed one. `score` runs the same model with a paged cache of our own
(`paged.py`), because the pipeline returns the log-probability of the sampled token only.
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

from deeper.engine.complete import complete
from deeper.engine.control_tokens import as_text
from deeper.engine.label_tree import LabelTree, label_tree, split_prefix
from deeper.engine.openvino.paged_model import PagedModel
from deeper.engine.openvino.score import Question, score_questions
from deeper.engine.openvino.weights import prepare_weights
from deeper.engine.protocol import Completion, Prompt, Sampling, ScoreRequest, Usage

Floats = NDArray[np.float64]

CACHE_GIB = 2
MAX_SEQUENCES = 64
MAX_BATCHED_TOKENS = 2048
TOKENISER_LIMIT = 8192
"""OpenVINO's tokeniser cuts longer texts without a word; a sequence of this length may be one that was cut."""


class EmbeddedEngine:
    """A GGUF model on OpenVINO."""

    def __init__(self, weights: Path | None = None, adapter: Path | None = None) -> None:
        """Prepare the weights (once) and load the tokeniser; the two models are compiled at their first use.

        Args:
            weights: A GGUF file; None takes the small model SmolLM2-135M-Instruct.
            adapter: Folder of an adapter to merge into the weights.

        Raises:
            UserError: The weights cannot be had, or the adapter does not fit them.
        """
        self._weights = prepare_weights(weights, adapter)
        self._tokenizer = genai.Tokenizer(self._weights.gguf)
        self._context_tokens = min(self._weights.context_tokens, TOKENISER_LIMIT)
        self._usage = Usage()
        self._label_tree = lru_cache(maxsize=64)(self._build_label_tree)

    @property
    def fingerprint(self) -> str:
        """Weights, adapter, runtime and processor: they decide the last digits of the logits, and so the texts."""
        processor = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
        runtime = genai.get_version().split("-")[0]
        return f"embedded:{self._weights.digest}:openvino-genai-{runtime}:{processor} x{os.cpu_count()}"

    @property
    def usage(self) -> Usage:
        """What has been spent so far (a copy)."""
        return replace(self._usage)

    @cached_property
    def _pipeline(self) -> genai.ContinuousBatchingPipeline:
        scheduler = genai.SchedulerConfig()
        scheduler.enable_prefix_caching = False
        scheduler.cache_size = CACHE_GIB
        scheduler.max_num_seqs = MAX_SEQUENCES
        scheduler.max_num_batched_tokens = MAX_BATCHED_TOKENS
        # Processors with bfloat16 would otherwise round more coarsely than the others.
        return genai.ContinuousBatchingPipeline(
            self._weights.folder, self._tokenizer, scheduler, "CPU", INFERENCE_PRECISION_HINT="f32"
        )

    @cached_property
    def _paged(self) -> PagedModel:
        return PagedModel(self._weights.folder / "openvino_model.xml")

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """Answer each prompt `sampling.n` times; see `Engine.generate`."""
        return complete(
            [self._encode(prompt) for prompt in prompts],
            self._context_tokens,
            sampling,
            self._answers,
            lambda sample: self._tokenizer.decode(list(sample), skip_special_tokens=True),
            self._usage,
        )

    def score(self, requests: Sequence[ScoreRequest]) -> list[Floats]:
        """Log-probabilities of labels as answers; see `Engine.score`."""
        questions: list[Question] = []
        for request in requests:
            whole = [
                self._encode(Prompt(request.prompt.system, request.prompt.user + continuation))
                for continuation in request.continuations
            ]
            prefix, tails = split_prefix(whole) if whole else ((), ())
            questions.append(Question(prefix, tails, self._label_tree(request.labels)))
            self._usage.calls += 1
            self._usage.tokens_prompt += sum(map(len, whole))
            self._usage.tokens_cached += len(prefix) * max(0, len(tails) - 1)
        return score_questions(self._paged, questions, self._context_tokens)

    def _answers(self, sequences: Sequence[Sequence[int]], sampling: Sampling) -> list[list[list[int]]]:
        """Token ids of the samples of each sequence."""
        if not sequences:  # which the pipeline cannot answer
            return []
        n = 1 if sampling.temperature == 0 else sampling.n
        # The samples of one request share one state of the grammar, and so break it: each gets a request of its own.
        apart = n if sampling.json_schema is not None else 1
        asked = [sequence for sequence in sequences for _ in range(apart)]
        answers = self._pipeline.generate(
            [openvino.Tensor(np.array([sequence], np.int64)) for sequence in asked],
            [self._generation_config(sampling, n // apart, index) for index in range(len(asked))],
        )
        groups = [answers[at : at + apart] for at in range(0, len(answers), apart)]
        # Greedy samples are all the same.
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
        """Tokens of the chat up to where the answer begins; text that looks like a control token stays text."""
        messages = [
            {"role": "system", "content": self._plain(prompt.system)},
            {"role": "user", "content": self._plain(prompt.user)},
        ]
        text = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        return self._tokens(text)

    def _plain(self, text: str) -> str:
        return as_text(text, self._weights.control_tokens)

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).input_ids.data[0].tolist())

    def _build_label_tree(self, labels: tuple[str, ...]) -> LabelTree:
        return label_tree([self._tokens(label) for label in labels], self._tokenizer.get_eos_token_id())
