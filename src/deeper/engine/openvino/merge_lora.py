"""Merge a LoRA adapter into the matrices of a Llama GGUF file, with numpy alone.

Merged matrices are stored as F16, not Q8_0. The base already lies on the Q8_0 grid, so rounding to that grid again
would erase most changes below half a step: a change of 0.3 % of the weights' spread keeps a fifth of its size, one of
0.1 % keeps a thirtieth. Preference training makes such small changes. F16 keeps them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from gguf import GGMLQuantizationType, GGUFReader, ReaderTensor
from gguf.quants import dequantize
from numpy.typing import NDArray

from deeper.engine.openvino.convert import write_gguf

Matrix = NDArray[np.float32]

KEYS_WITHOUT_EFFECT = {
    "auto_mapping",
    "base_model_name_or_path",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",
    "monteclora_config",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "revision",
    "target_modules",
    "task_type",
}
"""Keys of PEFT's configuration that do not change how A and B are applied, whatever their value.

All other keys must be off: an unknown feature is refused, not ignored.
"""
INITS_KEEPING_BASE = (True, False, "gaussian")
"""Values of `init_lora_weights` that do not change the base's own matrices."""
NUMPY_TYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""Numpy's name for each type of safetensors. A bfloat16 is the upper half of a 32-bit float."""
TENSOR_NAME = re.compile(
    r"base_model\.model\.model\.layers\.(\d+)\.(?:self_attn|mlp)\.(q|k|v|o|gate|up|down)_proj\.lora_(A|B)\.weight"
)
GGUF_NAMES = {
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "o": "attn_output",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


class CannotMerge(Exception):
    """The adapter uses what cannot be merged, or does not fit the model; the message says what."""


@dataclass(frozen=True)
class _Heads:
    """Numbers of attention heads. GGUF files store the rows of queries and keys in another order."""

    queries: int
    keys: int


def merge_lora(base: Path, config: Mapping[str, Any], tensors: Path, target: Path) -> None:
    """Write the weights of `base` with the adapter's changes; tensors without a change are copied.

    The change of a matrix is (alpha / r) B A, with A (r, columns) and B (rows, r) (Hu et al. 2021, LoRA).

    Args:
        base: The GGUF file that the adapter was trained on.
        config: PEFT's configuration of the adapter.
        tensors: The adapter's safetensors file.
        target: The GGUF file to write.

    Raises:
        CannotMerge: The adapter uses what cannot be merged, or does not fit the model.
    """
    reader = GGUFReader(base)
    scale = _scale(config)
    factors = _factors(_read_tensors(tensors))
    heads = _heads(reader)
    if unknown := sorted(factors.keys() - {tensor.name for tensor in reader.tensors}):
        raise CannotMerge(f"the model has no {unknown[0]}")

    def new_type(tensor: ReaderTensor) -> GGMLQuantizationType:
        return GGMLQuantizationType.F16 if tensor.name in factors else tensor.tensor_type

    def merged(tensor: ReaderTensor) -> NDArray[Any]:
        if tensor.name not in factors:
            return tensor.data
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        a, b = factors[tensor.name]
        if (b.shape[0], a.shape[1]) != values.shape:
            change = f"{b.shape[0]} x {a.shape[1]}"
            raise CannotMerge(f"{tensor.name} is {' x '.join(map(str, values.shape))}, and its change is {change}")
        values += scale * (_gguf_rows(tensor.name, b, heads) @ a)
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.isfinite(half).all():
            raise CannotMerge(f"{tensor.name} would hold values that are not finite")
        return half

    # If a file's type says F16, OpenVINO takes all its matrices for F16. So the base's file type stays.
    write_gguf(reader, target, new_type, merged, reader.fields["general.file_type"].contents())


def _scale(config: Mapping[str, Any]) -> float:
    """Return alpha / r; refuse everything but a plain LoRA."""
    if config.get("peft_type") != "LORA":
        raise CannotMerge(f"its peft_type is {config.get('peft_type')}")
    others = {name: value for name, value in config.items() if name not in KEYS_WITHOUT_EFFECT}
    if (bias := others.pop("bias", "none")) != "none":
        raise CannotMerge(f"it has bias = {bias!r}")
    if (init := others.pop("init_lora_weights", True)) not in INITS_KEEPING_BASE:
        raise CannotMerge(f"it has init_lora_weights = {init!r}")
    if used := sorted(name for name, value in others.items() if value):
        raise CannotMerge(f"it has {used[0]} = {others[used[0]]!r}")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise CannotMerge(f"it has r = {rank!r} and lora_alpha = {alpha!r}")
    return alpha / rank


def _read_tensors(path: Path) -> dict[str, Matrix]:
    """Read a file's tensors as 32-bit floats. The numpy reader of safetensors does not know bfloat16."""
    read: dict[str, Matrix] = {}
    for name, stored in safetensors.deserialize(path.read_bytes()):
        if stored["dtype"] not in NUMPY_TYPES:
            raise CannotMerge(f"{name} is stored as {stored['dtype']}")
        values = np.frombuffer(stored["data"], NUMPY_TYPES[stored["dtype"]])
        if stored["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        read[name] = values.astype(np.float32).reshape(stored["shape"])
    return read


def _factors(tensors: dict[str, Matrix]) -> dict[str, tuple[Matrix, Matrix]]:
    """Return A and B by the name of their matrix in GGUF."""
    sides: dict[str, dict[str, Matrix]] = {"A": {}, "B": {}}
    for name, values in tensors.items():
        match = TENSOR_NAME.fullmatch(name)
        if match is None or values.ndim != 2:
            raise CannotMerge(f"{name} belongs to no linear layer")
        sides[match[3]][f"blk.{match[1]}.{GGUF_NAMES[match[2]]}.weight"] = values
    if not tensors or sides["A"].keys() != sides["B"].keys():
        raise CannotMerge("it has no pairs of A and B")
    factors = {name: (a, sides["B"][name]) for name, a in sides["A"].items()}
    for name, (a, b) in factors.items():
        if a.shape[0] != b.shape[1]:
            raise CannotMerge(f"A and B of {name} have the ranks {a.shape[0]} and {b.shape[1]}")
    return factors


def _heads(reader: GGUFReader) -> _Heads:
    architecture = reader.fields["general.architecture"].contents()
    if architecture != "llama":
        raise CannotMerge(f"the model's architecture is {architecture}")
    queries = int(reader.fields["llama.attention.head_count"].contents())
    keys = reader.fields.get("llama.attention.head_count_kv")
    return _Heads(queries, queries if keys is None else int(keys.contents()))


def _gguf_rows(name: str, b: Matrix, heads: _Heads) -> Matrix:
    """Put the rows of B in GGUF's order: rotary pairs of queries and keys stand side by side, not half a head apart.

    The same permutation as in llama.cpp's `convert_hf_to_gguf.py`.
    """
    count = {"attn_q": heads.queries, "attn_k": heads.keys}.get(name.split(".")[2])
    if count is None:
        return b
    halves = b.reshape(count, 2, b.shape[0] // count // 2, b.shape[1])
    return halves.swapaxes(1, 2).reshape(b.shape)
