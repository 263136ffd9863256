"""The engine `transformers`: a model on this machine's GPU or CPU, with or without an adapter."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors import safe_open

from deeper.engine.adapter import TENSORS, Adapter, check_base, load_adapter
from deeper.engine.complete import complete, too_long
from deeper.engine.label_tree import LabelTree, label_tree, split_prefix
from deeper.engine.openvino.weights import WEIGHTS_REVISION
from deeper.engine.precision import IN_WORDS
from deeper.engine.protocol import Completion, Precision, Prompt, Sampling, ScoreRequest, Usage
from deeper.engine.torch.generate import BatchLimits, Sample, plan_batches, write_samples
from deeper.engine.torch.json_grammar import JsonGrammar
from deeper.engine.torch.model import (
    base_of,
    best_device,
    control_tokens_of,
    dtype_of,
    encode_chat,
    encode_chats,
    encode_label,
    load_model,
)
from deeper.engine.torch.out_of_memory import in_halves
from deeper.engine.torch.packed_labels import label_log_probs, pack
from deeper.errors import UserError
from deeper.storage.processor import name_of_processor

Floats = NDArray[np.float64]

GPU_CACHE_SHARE = 0.25
"""Share of a GPU's memory for keys and values in `generate`."""
CPU_CACHE_BYTES = 512 << 20
"""The same on a CPU. Larger caches are slower there, because they are copied with each token."""
MAX_BATCH_SAMPLES = 512
"""Answers that `generate` writes side by side."""
SCORE_BATCH_TOKENS = {"cuda": 32768, "cpu": 2048}
"""Tokens of a batch in `score`, padding included, by type of device."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Part:
    """Continuations of one request that are scored in one sequence; `rows` are their rows of the result."""

    request: int
    rows: tuple[int, ...]
    prefix: tuple[int, ...]
    tails: tuple[tuple[int, ...], ...]
    tree: LabelTree

    @property
    def length(self) -> int:
        return len(self.prefix) + sum(_length(tail, self.tree) for tail in self.tails)


class TransformersEngine:
    """A causal language model of transformers."""

    is_repeatable = True

    def __init__(
        self,
        source: str | None = None,
        adapter: Path | None = None,
        device: str | None = None,
        precision: Precision = "auto",
    ) -> None:
        """Load the model.

        Args:
            source: A folder in Hugging Face format, or a name on its hub; None takes the small model.
            adapter: Folder of an adapter to apply, or its name on the hub.
            device: Where to run; None takes a GPU if there is one.
            precision: What the model computes in. The head that scores labels always computes in 32-bit floats.

        Raises:
            UserError: The model cannot be fetched or read, the adapter does not fit it, or the processor cannot compute
                in this precision.
        """
        base, device = base_of(source), device or best_device()
        change = None if adapter is None else load_adapter(adapter, needs_card=False)
        if change is not None:
            check_base(change, base)
        model, self._tokenizer = load_model(source, device, dtype_of(precision, device))
        config = model.config.get_text_config()
        self._context_tokens: int = config.max_position_embeddings
        self._limits = _limits(model, config)
        self._end_tokens = _end_tokens(model, self._tokenizer)
        self._grammar = JsonGrammar(self._tokenizer, config.vocab_size, sorted(self._end_tokens))
        self._control_tokens = control_tokens_of(self._tokenizer)
        if change is not None:
            model = _with_adapter(model, change)
        self._model: Any = model
        weights = f"{base}-{WEIGHTS_REVISION}" if source is None else base
        self._identity = weights if change is None else f"{weights}+{change.digest[:12]}"
        self._usage = Usage()
        self.unscored: dict[tuple[int, int], str] = {}
        self._label_tree = lru_cache(maxsize=64)(self._build_label_tree)

    @property
    def fingerprint(self) -> str:
        """Weights, number type, adapter, libraries and device: they decide the last digits of the logits."""
        device: torch.device = self._model.device
        if device.type == "cuda":
            where = torch.cuda.get_device_name(device)
        else:
            where = f"{name_of_processor()} x{torch.get_num_threads()}"
        kind = str(self._model.dtype).removeprefix("torch.")
        versions = f"torch-{torch.__version__}:transformers-{transformers.__version__}"
        return f"transformers:{self._identity}:{kind}:{versions}:{where}"

    @property
    def computes_in(self) -> str:
        """The numbers of the model's weights, in words."""
        return IN_WORDS["f32" if self._model.dtype == torch.float32 else "bf16"]

    @property
    def usage(self) -> Usage:
        """A copy of the counts so far."""
        return replace(self._usage)

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """Answer each prompt `sampling.n` times; see `Engine.generate`."""
        return complete(
            [encode_chat(self._tokenizer, prompt, self._control_tokens) for prompt in prompts],
            self._context_tokens,
            sampling,
            self._generate_tokens,
            lambda sample: self._tokenizer.decode(sample, skip_special_tokens=True),
            self._usage,
        )

    def score(self, requests: Sequence[ScoreRequest]) -> list[Floats]:
        """Return log-probabilities of labels as answers; see `Engine.score`."""
        results = [np.full((len(request.continuations), len(request.labels)), np.nan) for request in requests]
        parts = list(chain.from_iterable(self._parts(i, request) for i, request in enumerate(requests)))
        for batch in _batches(parts, self._scored_tokens):
            for part, scores in zip(batch, in_halves(self._label_scores, batch), strict=True):
                results[part.request][list(part.rows)] = scores
        self.unscored = too_long(results)
        return results

    @property
    def _scored_tokens(self) -> int:
        return SCORE_BATCH_TOKENS[self._model.device.type]

    def _generate_tokens(self, sequences: Sequence[Sequence[int]], sampling: Sampling) -> list[list[list[int]]]:
        """Return the token ids of the samples of each sequence."""
        n = 1 if sampling.temperature == 0 else sampling.n
        written: dict[Sample, list[int]] = {}
        for batch in plan_batches(list(map(len, sequences)), n, sampling.max_tokens, self._limits):
            answers = in_halves(partial(self._write, sequences, sampling), batch)
            written |= dict(zip(batch, answers, strict=True))
        # Greedy samples are all equal: one is generated and repeated.
        return [[written[Sample(i, j)] for j in range(n)] * (sampling.n // n) for i in range(len(sequences))]

    def _write(
        self, sequences: Sequence[Sequence[int]], sampling: Sampling, samples: Sequence[Sample]
    ) -> list[list[int]]:
        schema = sampling.json_schema
        return write_samples(
            self._model,
            sequences,
            samples,
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            seed=sampling.seed,
            end_tokens=self._end_tokens,
            grammars=() if schema is None else [self._grammar.state(schema) for _ in samples],
        )

    def _parts(self, index: int, request: ScoreRequest) -> list[_Part]:
        """Pack the request's continuations into sequences, as many into each as a batch allows."""
        self._usage.calls += 1
        if not request.continuations:
            return []
        prompts = [Prompt(request.prompt.system, request.prompt.user + text) for text in request.continuations]
        ids = encode_chats(self._tokenizer, prompts, self._control_tokens)
        prefix, tails = split_prefix(ids)
        self._usage.tokens_prompt += sum(map(len, ids))
        self._usage.tokens_cached += len(prefix) * (len(tails) - 1)
        tree = self._label_tree(request.labels)
        parts: list[list[int]] = []
        length = 0
        for row, tail in enumerate(tails):
            longest = len(prefix) + len(tail) + max(map(len, tree.branches), default=0)
            if longest >= self._context_tokens:
                length_of_prompt = len(prefix) + len(tail)
                log.warning("a prompt of %d tokens is too long for the context and is not scored", length_of_prompt)
                continue
            if not parts or length + _length(tail, tree) > self._scored_tokens:
                parts.append([])
                length = len(prefix)
            parts[-1].append(row)
            length += _length(tail, tree)
        return [_Part(index, tuple(rows), prefix, tuple(tails[row] for row in rows), tree) for rows in parts]

    @torch.inference_mode()
    def _label_scores(self, parts: Sequence[_Part]) -> list[Floats]:
        packed = [pack(part.prefix, part.tails, part.tree) for part in parts]
        return [scores.double().cpu().numpy() for scores in label_log_probs(self._model, packed)]

    def _build_label_tree(self, labels: tuple[str, ...]) -> LabelTree:
        return label_tree([encode_label(self._tokenizer, label) for label in labels], self._tokenizer.eos_token_id)


def _length(tail: Sequence[int], tree: LabelTree) -> int:
    """Return how many tokens a continuation adds to a sequence."""
    return len(tail) + sum(map(len, tree.branches))


def _batches(parts: Sequence[_Part], tokens: int) -> list[list[_Part]]:
    """Sort parts into batches of similar lengths, the longest first, of at most `tokens` tokens."""
    batches: list[list[_Part]] = []
    for part in sorted(parts, key=lambda part: -part.length):
        if not batches or (len(batches[-1]) + 1) * batches[-1][0].length > tokens:
            batches.append([])
        batches[-1].append(part)
    return batches


def _with_adapter(model: Any, change: Adapter) -> Any:
    """Return the model with an adapter's layers in it, without PEFT's wrapper."""
    from peft import PeftModel

    do = "choose the model that the adapter was trained on (transformers:FOLDER_OR_NAME)"
    try:
        wrapped: Any = PeftModel.from_pretrained(model, str(change.folder))
    except (RuntimeError, ValueError) as error:
        what = f"the adapter does not fit the model ({str(error).splitlines()[0][:200]})"
        raise UserError(what, where=str(change.folder), do=do) from error
    # PEFT loads the matrices that fit and skips the others, sometimes without a warning.
    in_model = sum("lora_" in name for name, _ in wrapped.named_parameters())
    with safe_open(change.folder / TENSORS, "numpy") as tensors:
        in_file = sum("lora_" in name for name in tensors.keys())  # noqa: SIM118 (no mapping)
    if in_model != in_file:
        what = f"the adapter does not fit the model ({in_file} matrices in the file, {in_model} in the model)"
        raise UserError(what, where=str(change.folder), do=do)
    return wrapped.get_base_model().eval()


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end an answer; a model may have several."""
    named = model.generation_config.eos_token_id
    named = named if isinstance(named, list) else [named]
    return frozenset(token for token in [*named, tokenizer.eos_token_id] if token is not None)


def _limits(model: Any, config: Any) -> BatchLimits:
    """Compute the largest batch from the size of a token's keys and values and the memory for them."""
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    shared = getattr(config, "num_key_value_heads", None) or heads
    token = 2 * config.num_hidden_layers * shared * width * model.dtype.itemsize
    available = CPU_CACHE_BYTES
    if model.device.type == "cuda":
        available = int(GPU_CACHE_SHARE * torch.cuda.get_device_properties(model.device).total_memory)
    return BatchLimits(available // token, MAX_BATCH_SAMPLES)
