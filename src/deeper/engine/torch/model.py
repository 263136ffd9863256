"""Load models and tokenisers of transformers: the small model from its GGUF package, a folder, or a name on the hub.

This module needs torch and transformers (the extra `[train]`); import it only where they are used.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils.quantization_config import GgufConfig

from deeper.engine.control_tokens import as_text
from deeper.engine.openvino.weights import WHEEL_SHA256, prepare_weights
from deeper.engine.precision import number_type
from deeper.engine.protocol import Precision, Prompt
from deeper.errors import UserError
from deeper.storage.hub import fetch

HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
"""Files to fetch of a model on the hub; no pickles, and no other formats of the same weights."""


def best_device() -> str:
    """Return `cuda` if there is a GPU, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def is_gpu(device: str) -> bool:
    """Whether a device is a GPU."""
    return torch.device(device).type == "cuda"


def dtype_of(precision: Precision, device: str) -> torch.dtype:
    """Return the type of an engine's weights: on a GPU bfloat16 unless `exact`, on a CPU that of `number_type`."""
    if is_gpu(device):
        return torch.float32 if precision == "exact" else torch.bfloat16
    return {"f32": torch.float32, "bf16": torch.bfloat16}[number_type(precision)]


def load_model(
    source: str | None = None, device: str | None = None, dtype: torch.dtype | None = None
) -> tuple[Any, Any]:
    """Load a causal language model, ready for 4D attention masks, and its tokeniser.

    Args:
        source: A folder in the format of Hugging Face, or a name on its hub; None takes the small model
            SmolLM2-135M-Instruct from its package, without the hub.
        device: Where to put the model; None takes `best_device`.
        dtype: Type of the weights; None takes bfloat16 for a GPU and float32 for a CPU.

    Returns:
        The model (in evaluation mode) and the tokeniser.

    Raises:
        UserError: The model cannot be fetched or read, or has no chat template.
    """
    device = device or best_device()
    dtype = dtype or (torch.bfloat16 if is_gpu(device) else torch.float32)
    folder = prepare_weights().folder if source is None else _folder(source)
    gguf: dict[str, Any] = {"gguf_file": "model.gguf"} if source is None else {}
    # Packed weights can neither be trained nor saved.
    unpacked: dict[str, Any] = {"quantization_config": GgufConfig(dequantize=True)} if source is None else {}
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, **gguf)
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            **gguf,
            **unpacked,
            dtype=dtype,
            attn_implementation="sdpa",
        )
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"this is not a model that transformers can read ({(str(error) or repr(error)).splitlines()[0][:200]})",
            where=str(folder),
            do="give a folder, or a name on the Hugging Face hub, that holds a causal language model",
        ) from error
    if tokenizer.chat_template is None:
        raise UserError("the model has no chat template", where=str(folder), do="choose a chat or instruct model")
    if source is None:
        # The conversion from GGUF loses that SmolLM splits numbers into digits.
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    return model.to(device).eval(), tokenizer


def base_of(source: str | None) -> str:
    """Return 12 hex digits that identify a model's weights; an adapter's card names the ones it was trained on.

    Args:
        source: As in `load_model`.

    Raises:
        UserError: The model cannot be fetched, or has no safetensors file.
    """
    if source is None:
        return WHEEL_SHA256[:12]
    files = sorted(_folder(source).glob("*.safetensors"))
    if not files:
        raise UserError(
            "the model has no safetensors file",
            where=source,
            do="save it with save_pretrained of transformers, or choose another model",
        )
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:12]


def control_tokens_of(tokenizer: Any) -> tuple[str, ...]:
    """Return the strings that the tokeniser reads as control tokens."""
    return tuple(token.content for _, token in sorted(tokenizer.added_tokens_decoder.items()) if token.special)


def chat_text(tokenizer: Any, prompt: Prompt, control_tokens: Sequence[str]) -> str:
    """Return the chat up to where the answer begins. Control tokens in the messages stay text."""
    messages = [
        {"role": "system", "content": as_text(prompt.system, control_tokens)},
        {"role": "user", "content": as_text(prompt.user, control_tokens)},
    ]
    # Thinking models would spend the answer's tokens on thoughts. Other templates ignore `enable_thinking`.
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, enable_thinking=False)


def encode_chat(tokenizer: Any, prompt: Prompt, control_tokens: Sequence[str]) -> list[int]:
    """Return the tokens of `chat_text`."""
    return tokenizer.encode(chat_text(tokenizer, prompt, control_tokens), add_special_tokens=False)


def encode_chats(tokenizer: Any, prompts: Sequence[Prompt], control_tokens: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the tokens of `chat_text` for each prompt."""
    texts = [chat_text(tokenizer, prompt, control_tokens) for prompt in prompts]
    return [tuple(tokens) for tokens in tokenizer(texts, add_special_tokens=False)["input_ids"]]


def encode_label(tokenizer: Any, label: str) -> list[int]:
    """Return the tokens of an answer, without the token that ends it."""
    return tokenizer.encode(label, add_special_tokens=False)


def _folder(source: str) -> Path:
    """Return the folder of a model; fetch it from the hub if `source` is no folder of this machine."""
    source = os.path.expanduser(source)
    if Path(source).is_dir():
        return Path(source)
    if os.sep in source and (Path(source).is_absolute() or source.startswith(".")):
        raise UserError(
            "there is no such folder", where=source, do="give the folder of a model, or a name on the Hugging Face hub"
        )
    return fetch(source, "model", HUB_FILES)
