"""A LoRA adapter merged into the matrices of a Llama GGUF file, with numpy alone.

A merged matrix becomes F16, not Q8_0: the base lies on the grid of Q8_0 already, so rounding to that grid again takes
most changes below half a step away (a change of 0.3 % of the weights' spread keeps a fifth of its size, one of 0.1 %
a thirtieth), and small changes are what preference training makes. F16 keeps them all.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from gguf import GGMLQuantizationType, GGUFReader, ReaderTensor
from gguf.quants import dequantize
from numpy.typing import NDArray

from deeper.engine.adapter import TENSORS, Adapter, read_config
from deeper.engine.openvino.convert import write_gguf
from deeper.errors import UserError

Matrix = NDArray[np.float32]

HARMLESS = {
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
"""Keys of PEFT's configuration that leave the product of A and B as it is, whatever they hold.

All others must be off, so that a feature that we do not know is refused and not ignored.
"""
PLAIN_INITS = (True, False, "gaussian")
"""Initial values of A and B that leave the base's own matrices alone."""
STORED = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""How numpy reads what safetensors calls so; bfloat16 is the upper half of a 32-bit float."""
NAME = re.compile(
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


class _Unsupported(Exception):
    """Why an adapter cannot be merged."""


@dataclass(frozen=True)
class _Heads:
    """Heads of attention, of queries and of keys; their rows stand in another order in GGUF files."""

    queries: int
    keys: int


def merge_adapter(base: Path, adapter: Adapter, target: Path) -> None:
    """Write the weights of `base` with the adapter's changes; all that the adapter leaves alone is copied.

    The change of a matrix is (alpha / r) B A, with A (r, columns) and B (rows, r) (Hu et al. 2021, LoRA).

    Args:
        base: The GGUF file that the adapter was trained on.
        adapter: The adapter.
        target: The GGUF file to write.

    Raises:
        UserError: The adapter uses what cannot be merged, or does not fit the model.
    """
    reader = GGUFReader(base)
    try:
        scale = _scale(read_config(adapter.folder))
        factors = _factors(_tensors(adapter.folder / TENSORS))
        heads = _heads(reader)
        if unknown := sorted(factors.keys() - {tensor.name for tensor in reader.tensors}):
            raise _Unsupported(f"the model has no {unknown[0]}")

        def merged(tensor: ReaderTensor) -> tuple[NDArray[Any], GGMLQuantizationType]:
            if tensor.name not in factors:
                return tensor.data, tensor.tensor_type
            values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            a, b = factors[tensor.name]
            if (b.shape[0], a.shape[1]) != values.shape:
                change = f"{b.shape[0]} x {a.shape[1]}"
                raise _Unsupported(f"{tensor.name} is {' x '.join(map(str, values.shape))}, and its change is {change}")
            values += scale * (_gguf_rows(tensor.name, b, heads) @ a)
            with np.errstate(over="ignore"):
                half = values.astype(np.float16)
            if not np.isfinite(half).all():
                raise _Unsupported(f"{tensor.name} would hold values that are not finite")
            return half, GGMLQuantizationType.F16

        # OpenVINO takes the type of a whole file for that of its matrices where it says F16, so the base's stays.
        write_gguf(reader, target, merged, reader.fields["general.file_type"].contents())
    except _Unsupported as problem:
        raise UserError(
            f"the adapter cannot be merged into the model ({problem})",
            where=str(adapter.folder),
            do="train a plain LoRA on linear layers of a Llama model, or use the engine transformers",
        ) from None


def _scale(config: dict[str, Any]) -> float:
    """Alpha / r of a plain LoRA."""
    if config.get("peft_type") != "LORA":
        raise _Unsupported(f"its peft_type is {config.get('peft_type')}")
    others = {name: value for name, value in config.items() if name not in HARMLESS}
    if (bias := others.pop("bias", "none")) != "none":
        raise _Unsupported(f"it has bias = {bias!r}")
    if (init := others.pop("init_lora_weights", True)) not in PLAIN_INITS:
        raise _Unsupported(f"it has init_lora_weights = {init!r}")
    if used := sorted(name for name, value in others.items() if value):
        raise _Unsupported(f"it has {used[0]} = {others[used[0]]!r}")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise _Unsupported(f"it has r = {rank!r} and lora_alpha = {alpha!r}")
    return alpha / rank


def _tensors(path: Path) -> dict[str, Matrix]:
    """The tensors of a file as 32-bit floats; safetensors' own reader for numpy knows no bfloat16."""
    read: dict[str, Matrix] = {}
    for name, stored in safetensors.deserialize(path.read_bytes()):
        if stored["dtype"] not in STORED:
            raise _Unsupported(f"{name} is stored as {stored['dtype']}")
        values = np.frombuffer(stored["data"], STORED[stored["dtype"]])
        if stored["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        read[name] = values.astype(np.float32).reshape(stored["shape"])
    return read


def _factors(tensors: dict[str, Matrix]) -> dict[str, tuple[Matrix, Matrix]]:
    """A and B by the name of the matrix in GGUF."""
    sides: dict[str, dict[str, Matrix]] = {"A": {}, "B": {}}
    for name, values in tensors.items():
        match = NAME.fullmatch(name)
        if match is None or values.ndim != 2:
            raise _Unsupported(f"{name} belongs to no linear layer")
        sides[match[3]][f"blk.{match[1]}.{GGUF_NAMES[match[2]]}.weight"] = values
    if not tensors or sides["A"].keys() != sides["B"].keys():
        raise _Unsupported("it has no pairs of A and B")
    factors = {name: (a, sides["B"][name]) for name, a in sides["A"].items()}
    for name, (a, b) in factors.items():
        if a.shape[0] != b.shape[1]:
            raise _Unsupported(f"A and B of {name} have the ranks {a.shape[0]} and {b.shape[1]}")
    return factors


def _heads(reader: GGUFReader) -> _Heads:
    architecture = reader.fields["general.architecture"].contents()
    if architecture != "llama":
        raise _Unsupported(f"the model's architecture is {architecture}")
    queries = int(reader.fields["llama.attention.head_count"].contents())
    keys = reader.fields.get("llama.attention.head_count_kv")
    return _Heads(queries, queries if keys is None else int(keys.contents()))


def _gguf_rows(name: str, b: Matrix, heads: _Heads) -> Matrix:
    """Rows of B in the order of GGUF: rotary pairs of queries and keys stand side by side, not half a head apart.

    The same permutation as in llama.cpp's `convert_hf_to_gguf.py`.
    """
    count = {"attn_q": heads.queries, "attn_k": heads.keys}.get(name.split(".")[2])
    if count is None:
        return b
    halves = b.reshape(count, 2, b.shape[0] // count // 2, b.shape[1])
    return halves.swapaxes(1, 2).reshape(b.shape)
