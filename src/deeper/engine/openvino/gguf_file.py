"""Open a GGUF file, and say of one that cannot be used what it is and what to do."""

from pathlib import Path
from typing import NoReturn

import numpy as np
from gguf import GGUFReader
from gguf.constants import GGML_QUANT_SIZES
from gguf.quants import dequantize

from deeper.errors import UserError

ARCHITECTURES = ("llama", "qwen2", "qwen3")
"""The architectures that OpenVINO GenAI reads from GGUF files."""
VOCABULARY = "gpt2"
"""The kind of tokeniser that OpenVINO GenAI reads from GGUF files: byte-level BPE."""
AGAIN = "download the file again"
ANOTHER = "choose a chat or instruct model of the Llama 3, Qwen or SmolLM families; deeper models lists some"
OTHER_TYPE = "choose a file of the same model in Q4_K_M, Q5_K_M, Q6_K, Q8_0 or F16"


def open_gguf(path: Path) -> GGUFReader:
    """Open a GGUF file that the embedded engine can use.

    Raises:
        UserError: It is no GGUF file, damaged, one part of a split model, or of a kind that cannot be used.
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        start = stream.read(40)
    if start.startswith(b"version https://git-lfs"):
        _refuse(path, "this is a pointer of Git LFS, not the model itself", "fetch the file itself: git lfs pull")
    if not start.startswith(b"GGUF"):
        _refuse(path, "this is not a GGUF file", f"give a GGUF file, or {AGAIN}")
    try:
        reader = GGUFReader(path)
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        reason = (str(error) or repr(error)).splitlines()[0][:100]
        if "GGMLQuantizationType" in reason:
            _refuse(path, f"its matrices are of a type that is not known here ({reason})", OTHER_TYPE)
        _refuse(path, f"the GGUF file is cut off or damaged ({reason})", AGAIN)
    _check_kind(path, reader)
    _check_types(path, reader)
    return reader


def text_of(reader: GGUFReader, name: str) -> str:
    """Return a field of a file's metadata as text; empty if it is missing."""
    field = reader.fields.get(name)
    return "" if field is None else str(field.contents())


def _check_kind(path: Path, reader: GGUFReader) -> None:
    """Refuse what is no whole chat model that OpenVINO knows."""
    parts = text_of(reader, "split.count") or "0"
    if int(parts) > 1:
        do = "join the parts with llama-gguf-split --merge of llama.cpp, or choose a model in one file"
        _refuse(path, f"this is one of the {parts} parts of a split model", do)
    architecture = text_of(reader, "general.architecture")
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        what = f"the model's architecture, {architecture or 'not named'}, is none that OpenVINO reads ({known})"
        _refuse(path, what, f"{ANOTHER}; or serve this one with llama.cpp or Ollama and use openai:MODEL")
    if not reader.tensors or "tokenizer.ggml.tokens" not in reader.fields:
        missing = "tokeniser" if reader.tensors else "weights"
        _refuse(path, f"the file has no {missing}, so it is not a whole model", ANOTHER)
    if (vocabulary := text_of(reader, "tokenizer.ggml.model")) != VOCABULARY:
        what = f"its tokeniser is of the kind {vocabulary or 'unknown'}, and OpenVINO reads only {VOCABULARY}"
        _refuse(path, what, ANOTHER)
    if not text_of(reader, "tokenizer.chat_template").strip():
        _refuse(path, "the model has no chat template, so it is not made to follow instructions", ANOTHER)


def _check_types(path: Path, reader: GGUFReader) -> None:
    """Refuse types of matrices that cannot be rewritten."""
    for kind in {tensor.tensor_type for tensor in reader.tensors}:
        try:
            dequantize(np.zeros((1, GGML_QUANT_SIZES[kind][1]), np.uint8), kind)
        except NotImplementedError:
            _refuse(path, f"its matrices are of the type {kind.name}, which cannot be rewritten here", OTHER_TYPE)


def _refuse(path: Path, what: str, do: str) -> NoReturn:
    raise UserError(what, where=str(path), do=do)
