"""A language model on the OpenVINO runtime with a paged cache, for many sequences that share a prefix.

OpenVINO GenAI's pipeline returns the log-probability of the sampled token only. This module compiles the same model
with paged attention. Continuations then reuse the cache blocks of their prefix; only its last, partly filled block is
copied. Rows are packed instead of padded, and the language-model head runs only at the positions that are wanted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13
from openvino._offline_transformations import paged_attention_transformation

Floats32 = NDArray[np.float32]

BLOCK_TOKENS = 32
"""Tokens in a block of the cache; OpenVINO's CPU plugin fixes this number."""
POOL_BYTES = 1 << 30
"""Memory for the cache blocks of a model."""
MIN_POOL_BLOCKS = 64


@dataclass(frozen=True)
class Row:
    """One sequence of a call.

    Attributes:
        tokens: The new tokens.
        past: How many tokens are in the cache already.
        blocks: The blocks of the whole sequence, past and new.
        wanted: Positions among the new tokens whose log-probabilities are returned.
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

    def __init__(self, path: Path) -> None:
        """Compile the model (about two seconds for 135M parameters)."""
        core = ov.Core()
        model = core.read_model(path)
        paged_attention_transformation(model)
        _head_at_wanted_positions(model)
        # Without these options, processors with bfloat16 would compute in it. Those with 8-bit multiplication would
        # round the inputs of each matrix to 8 bits, which changes log-probabilities by up to 0.33 nat.
        options = {
            "KV_CACHE_PRECISION": "f32",
            "INFERENCE_PRECISION_HINT": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        }
        compiled = core.compile_model(model, "CPU", options)
        self._request = compiled.create_infer_request()
        inputs = {i.any_name: i for i in compiled.inputs if "cache" in i.any_name}
        shapes = {name: [i.partial_shape[d].get_length() for d in (1, 2, 3)] for name, i in inputs.items()}
        block_bytes = sum(4 * int(np.prod(shape)) for shape in shapes.values())
        self.pool = max(MIN_POOL_BLOCKS, POOL_BYTES // block_bytes)
        """Number of blocks."""
        self._cache = {
            name: ov.Tensor(i.element_type, ov.Shape([self.pool, *shapes[name]])) for name, i in inputs.items()
        }
        for name, tensor in self._cache.items():
            self._request.set_tensor(name, tensor)

    def copy_blocks(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Copy blocks in all layers; `pairs` are (source, target). No target may be a source."""
        if pairs:
            sources, targets = np.array(pairs).T
            for tensor in self._cache.values():
                tensor.data[targets] = tensor.data[sources]

    def run(self, rows: Sequence[Row]) -> Floats32:
        """Compute all rows in one call.

        Returns:
            Log-probabilities of the vocabulary at the wanted positions, in order; shape (wanted, vocabulary).
            If no row wants any, only the cache is filled.
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


def _head_at_wanted_positions(model: ov.Model) -> None:
    """Put a Gather with the new input `wanted` before the language-model head, and a log-softmax after it."""
    result = model.get_results()[0]
    result.input(0).replace_source_output(opset13.log_softmax(result.input_value(0), -1).output(0))
    node = model.get_results()[0].input_value(0).get_node()
    while node.get_type_name() != "MatMul":
        node = node.input_value(0).get_node()
    wanted = opset13.parameter([-1], np.int64, name="wanted")
    wanted.output(0).set_names({"wanted"})
    hidden = opset13.gather(node.input_value(0), wanted, opset13.constant(np.array(0, np.int64)))
    node.input(0).replace_source_output(hidden.output(0))
    model.add_parameters([wanted])
    model.validate_nodes_and_infer_types()
