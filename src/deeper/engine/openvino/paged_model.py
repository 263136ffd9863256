"""A language model on the OpenVINO runtime with a paged cache, for many sequences that share a prefix.

OpenVINO GenAI's pipeline returns the log-probability of the sampled token only. This module compiles the same model
with paged attention. Continuations then reuse the cache blocks of their prefix; only its last, partly filled block is
copied. Rows are packed instead of padded.

The model is cut behind its last hidden state (`cut.py`). The head and the log-softmax always compute in 32-bit floats,
because bfloat16 would round logits to sixteenths, and labels differ by less than that. They run only at the positions
that are wanted, and only the wanted tokens' log-probabilities leave them. If the body computes in bfloat16, its upper
layers do not: most of the error of the rest comes from them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from deeper.engine.openvino.compile import compile_model
from deeper.engine.openvino.cut import cut_model
from deeper.engine.precision import NumberType

Floats32 = NDArray[np.float32]

BLOCK_TOKENS = 32
"""Tokens in a block of the cache; OpenVINO's CPU plugin fixes this number."""
POOL_TOKENS = 8192
"""Tokens whose keys and values a call can hold. Their memory is taken when a block is first used."""
HEAD_ROWS = 128
"""Positions that the head reads at a time; each needs a float for every token of the vocabulary."""
EXACT_LAYERS = 0.2
"""Share of the layers, from the top, that compute in 32-bit floats whatever the others compute in.

The last six of the small model's 30 layers make three quarters of the error of bfloat16 (docs/log.md).
"""


@dataclass(frozen=True)
class Row:
    """One sequence of a call.

    Attributes:
        tokens: The new tokens.
        past: How many tokens are in the cache already.
        blocks: The blocks of the whole sequence, past and new.
        wanted: Positions among the new tokens whose hidden states are returned.
    """

    tokens: Sequence[int]
    past: int
    blocks: Sequence[int]
    wanted: Sequence[int]


def blocks_for(past: int, new: int) -> int:
    """Count the blocks that `new` tokens need after `past` ones, with a copy of the past's last block unless full."""
    return -(-(past + new) // BLOCK_TOKENS) - past // BLOCK_TOKENS


class _Part:
    """Layers that follow one another, compiled, with their blocks of the cache."""

    def __init__(self, model: ov.Model, numbers: NumberType, pool: int) -> None:
        compiled = compile_model(model, numbers)
        self._request = compiled.create_infer_request()
        caches = [i for i in compiled.inputs if "cache" in i.any_name]
        self._reads = {i.any_name for i in compiled.inputs} - {i.any_name for i in caches}
        self.cache: list[ov.Tensor] = []
        for cache in caches:
            block = [cache.partial_shape[dimension].get_length() for dimension in (1, 2, 3)]
            self.cache.append(ov.Tensor(cache.element_type, ov.Shape([pool, *block])))
            self._request.set_tensor(cache.any_name, self.cache[-1])

    def run(self, inputs: Mapping[str, Any]) -> ov.Tensor:
        """Compute; what this part does not read is ignored."""
        self._request.infer({name: value for name, value in inputs.items() if name in self._reads})
        return self._request.get_output_tensor(0)


class PagedModel:
    """A compiled model and its pool of cache blocks."""

    def __init__(self, path: Path, numbers: NumberType) -> None:
        """Compile the model (about two seconds for 135M parameters).

        Args:
            path: The model's OpenVINO file.
            numbers: What the layers compute in, but for the upper ones.
        """
        self.pool = POOL_TOKENS // BLOCK_TOKENS
        """Number of blocks."""
        parts, head = cut_model(path, 0 if numbers == "f32" else EXACT_LAYERS)
        precisions: list[NumberType] = [numbers, "f32"]
        self._parts = [_Part(part, type_, self.pool) for part, type_ in zip(parts, precisions, strict=False)]
        self._head = compile_model(head, "f32").create_infer_request()

    def copy_blocks(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Copy blocks in all layers; `pairs` are (source, target). No target may be a source."""
        if pairs:
            sources, targets = np.array(pairs).T
            for tensor in (tensor for part in self._parts for tensor in part.cache):
                tensor.data[targets] = tensor.data[sources]

    def run(self, rows: Sequence[Row]) -> Floats32:
        """Compute all rows in one call.

        Returns:
            Hidden states at the wanted positions, in order; shape (wanted, size). If no row wants any, only the cache
            is filled.
        """
        starts = np.cumsum([0] + [len(row.tokens) for row in rows])
        wanted = np.concatenate(
            [start + np.asarray(row.wanted, np.int64) for start, row in zip(starts, rows, strict=False)]
        )
        positions = [np.arange(row.past, row.past + len(row.tokens)) for row in rows]
        inputs: dict[str, Any] = {
            "input_ids": np.concatenate([np.asarray(row.tokens, np.int64) for row in rows]),
            "position_ids": np.concatenate(positions).astype(np.int64),
            "past_lens": np.array([row.past for row in rows], np.int32),
            "subsequence_begins": starts.astype(np.int32),
            "block_indices": np.concatenate([np.asarray(row.blocks, np.int32) for row in rows]),
            "block_indices_begins": np.cumsum([0] + [len(row.blocks) for row in rows]).astype(np.int32),
            "max_context_len": np.array(max(row.past + len(row.tokens) for row in rows), np.int32),
            "wanted": wanted,
        }
        for part in self._parts:
            inputs["hidden"] = part.run(inputs)
        if not len(wanted):
            return np.empty((0, 0), np.float32)
        return inputs["hidden"].data.reshape(len(wanted), -1).copy()

    def log_probs(self, hidden: Floats32, tokens: Sequence[int]) -> Floats32:
        """Return log-probabilities of tokens of the vocabulary as the next ones.

        Args:
            hidden: Hidden states from `run`; shape (positions, size).
            tokens: The tokens.

        Returns:
            Shape (positions, tokens).
        """
        parts = [np.empty((0, len(tokens)), np.float32)]
        for start in range(0, len(hidden), HEAD_ROWS):
            self._head.infer({"hidden": hidden[start : start + HEAD_ROWS], "tokens": np.array(tokens, np.int64)})
            parts.append(self._head.get_output_tensor(0).data.copy())
        return np.concatenate(parts)
