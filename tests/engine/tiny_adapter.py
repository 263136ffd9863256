"""PEFT adapters for the models of `tiny_gguf.py`, written by hand: no torch, no peft."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tiny_gguf import FEED_FORWARD, HEADS, WIDTH

from deeper.engine.adapter import write_card

RANK, ALPHA = 4, 8
BASE = "0123456789ab"
DTYPES = {"F32": "<f4", "F16": "<f2"}
# As PEFT 0.21 writes it.
CONFIG: dict[str, Any] = {
    "alora_invocation_tokens": None,
    "alpha_pattern": {},
    "arrow_config": None,
    "auto_mapping": None,
    "base_model_name_or_path": "somewhere",
    "bias": "none",
    "corda_config": None,
    "ensure_weight_tying": False,
    "eva_config": None,
    "exclude_modules": None,
    "fan_in_fan_out": False,
    "inference_mode": True,
    "init_lora_weights": True,
    "layer_replication": None,
    "layers_pattern": None,
    "layers_to_transform": None,
    "loftq_config": {},
    "lora_alpha": ALPHA,
    "lora_bias": False,
    "lora_dropout": 0.05,
    "megatron_config": None,
    "megatron_core": "megatron.core",
    "modules_to_save": None,
    "peft_type": "LORA",
    "peft_version": "0.21.2",
    "qalora_group_size": 16,
    "r": RANK,
    "rank_pattern": {},
    "revision": None,
    "target_modules": ["q_proj", "v_proj"],
    "target_parameters": None,
    "task_type": "CAUSAL_LM",
    "trainable_token_indices": None,
    "use_bdlora": None,
    "use_dora": False,
    "use_qalora": False,
    "use_rslora": False,
}


def shapes(key_heads: int = HEADS) -> dict[str, tuple[int, int]]:
    """Rows and columns of the linear layers, by their name in transformers."""
    keys = (WIDTH // HEADS * key_heads, WIDTH)
    return {
        "self_attn.q_proj": (WIDTH, WIDTH),
        "self_attn.k_proj": keys,
        "self_attn.v_proj": keys,
        "self_attn.o_proj": (WIDTH, WIDTH),
        "mlp.gate_proj": (FEED_FORWARD, WIDTH),
        "mlp.up_proj": (FEED_FORWARD, WIDTH),
        "mlp.down_proj": (WIDTH, FEED_FORWARD),
    }


def random_tensors(layers: Mapping[str, tuple[int, int]], size: float = 0.1, seed: int = 0) -> dict[str, Any]:
    """A and B of layers, under the names that PEFT gives them."""
    random = np.random.default_rng(seed)
    tensors: dict[str, Any] = {}
    for name, (rows, columns) in layers.items():
        prefix = f"base_model.model.model.layers.0.{name}"
        tensors[f"{prefix}.lora_A.weight"] = random.normal(0, 0.1, (RANK, columns)).astype(np.float32)
        tensors[f"{prefix}.lora_B.weight"] = random.normal(0, size, (rows, RANK)).astype(np.float32)
    return tensors


def write_adapter(
    folder: Path,
    tensors: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    *,
    dtype: str = "F32",
    **card: Any,
) -> Path:
    """Write an adapter's three files; on all linear layers if no tensors are given."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, **(config or {})}), "utf-8")
    header: dict[str, Any] = {}
    data = b""
    for name, values in (random_tensors(shapes()) if tensors is None else tensors).items():
        packed = as_bfloat16(values).tobytes() if dtype == "BF16" else values.astype(DTYPES[dtype]).tobytes()
        header[name] = {"dtype": dtype, "shape": values.shape, "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    described = json.dumps(header).encode()
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(described)) + described + data)
    given = {"kind": "predictor", "base": BASE, "templates": {"refine": "p1"}, "users": ["ab", "cd"], "provenance": {}}
    write_card(folder, **{**given, **card})
    return folder


def as_bfloat16(values: np.ndarray) -> np.ndarray:
    """The upper halves of 32-bit floats."""
    return (values.astype("<f4").view("<u4") >> 16).astype("<u2")
