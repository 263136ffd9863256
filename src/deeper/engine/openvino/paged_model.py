"""A language model on the OpenVINO runtime with a paged cache, for many sequences that share a prefix.

OpenVINO GenAI's pipeline returns the log-probability of the sampled token only. This module compiles the same model
with paged attention. Continuations then reuse the cache blocks of their prefix; only its last, partly filled block is
copied. Rows are packed instead of padded.

The model is cut behind its last hidden state. The body may compute in bfloat16. The head and the log-softmax always
compute in 32-bit floats, because bfloat16 would round logits to sixteenths, and labels differ by less than that. They
run only at the positions that are wanted, and only the wanted tokens' log-probabilities leave them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13
from openvino._offline_transformations import paged_attention_transformation

from deeper.engine.openvino.compile import compile_model
from deeper.engine.precision import NumberType

Floats32 = NDArray[np.float32]

BLOCK_TOKENS = 32
"""Tokens in a block of the cache; OpenVINO's CPU plugin fixes this number."""
POOL_TOKENS = 8192
"""Tokens whose keys and values a call can hold. Their memory is taken when a block is first used."""
HEAD_ROWS = 128
"""Positions that the head reads at a time; each needs a float for every token of the vocabulary."""


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


class PagedModel:
    """A compiled model and its pool of cache blocks."""

    def __init__(self, path: Path, numbers: NumberType) -> None:
        """Compile the model (about two seconds for 135M parameters).

        Args:
            path: The model's OpenVINO file.
            numbers: What the body computes in.
        """
        body = ov.Core().read_model(path)
        paged_attention_transformation(body)
        head = _cut_head(body)
        compiled = compile_model(body, numbers)
        self._request = compiled.create_infer_request()
        self._head = compile_model(head, "f32").create_infer_request()
        self.pool = POOL_TOKENS // BLOCK_TOKENS
        """Number of blocks."""
        self._cache: dict[str, ov.Tensor] = {}
        for cache in (i for i in compiled.inputs if "cache" in i.any_name):
            block = [cache.partial_shape[dimension].get_length() for dimension in (1, 2, 3)]
            self._cache[cache.any_name] = ov.Tensor(cache.element_type, ov.Shape([self.pool, *block]))
            self._request.set_tensor(cache.any_name, self._cache[cache.any_name])

    def copy_blocks(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Copy blocks in all layers; `pairs` are (source, target). No target may be a source."""
        if pairs:
            sources, targets = np.array(pairs).T
            for tensor in self._cache.values():
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
        self._request.infer(
            {
                "input_ids": np.concatenate([np.asarray(row.tokens, np.int64) for row in rows]),
                "position_ids": np.concatenate(positions).astype(np.int64),
                "past_lens": np.array([row.past for row in rows], np.int32),
                "subsequence_begins": starts.astype(np.int32),
                "block_indices": np.concatenate([np.asarray(row.blocks, np.int32) for row in rows]),
                "block_indices_begins": np.cumsum([0] + [len(row.blocks) for row in rows]).astype(np.int32),
                "max_context_len": np.array(max(row.past + len(row.tokens) for row in rows), np.int32),
                "wanted": wanted,
            }
        )
        if not len(wanted):
            return np.empty((0, 0), np.float32)
        return self._request.get_output_tensor(0).data.reshape(len(wanted), -1).copy()

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


def _cut_head(model: ov.Model) -> ov.Model:
    """Let the model return its last hidden states at the positions of a new input, `wanted`; return its head."""
    result = model.get_results()[0]
    logits = result.input_value(0)
    matrix = logits.get_node()
    while matrix.get_type_name() != "MatMul":
        matrix = matrix.input_value(0).get_node()
    states = matrix.input_value(0)

    wanted = _input("wanted", [-1], np.int64)
    result.input(0).replace_source_output(opset13.gather(states, wanted, _axis(0)).output(0))
    model.add_parameters([wanted])
    model.validate_nodes_and_infer_types()

    hidden = _input("hidden", [-1, states.get_partial_shape()[-1].get_length()], np.float32)
    tokens = _input("tokens", [-1], np.int64)
    matrix.input(0).replace_source_output(hidden.output(0))
    log_probs = opset13.gather(opset13.log_softmax(logits, -1), tokens, _axis(1))
    return ov.Model([log_probs], [hidden, tokens], "head")  # type: ignore[reportGeneralTypeIssues] (wrong stubs)


def _input(name: str, shape: list[int], numbers: type) -> ov.Node:
    parameter = opset13.parameter(shape, numbers, name=name)
    parameter.output(0).set_names({name})
    return parameter


def _axis(number: int) -> ov.Node:
    return opset13.constant(np.array(number, np.int64))
