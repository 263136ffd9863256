"""Convert a GGUF file to what the embedded engine reads: a Q8_0 GGUF file and OpenVINO files."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType, ReaderTensor
from gguf.constants import TokenType
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray
from openvino.passes import ConstantFolding, Manager
from openvino_genai import Tokenizer

from deeper.engine.openvino.compile import make_pipeline

FAITHFUL_TYPES = {GGMLQuantizationType.Q8_0, GGMLQuantizationType.F16}
"""Matrix types that OpenVINO reads correctly (Q8_0: within 0.06 nat of the dequantised weights).

It gives wrong logits for Q4_1, and refuses F32 and BF16.
"""
MAX_UNPACKED_BYTES = 512 << 20
"""Larger 8-bit weights stay packed: as 32-bit floats they would need too much memory."""
REWRITTEN_FIELDS = {"general.architecture", "general.file_type", "general.quantization_version"}
"""Metadata that `write_gguf` sets itself instead of copying."""


def requantise(source: Path, target: Path) -> None:
    """Write `source` with all matrices in Q8_0 and all vectors in F32; link it if OpenVINO reads it unchanged.

    Raises:
        ValueError: `source` is not a GGUF file.
    """
    reader = GGUFReader(source)
    if all(tensor.tensor_type in FAITHFUL_TYPES for tensor in reader.tensors if len(tensor.shape) > 1):
        try:
            os.symlink(source.resolve(), target)
        except OSError:
            shutil.copyfile(source, target)
        return

    def in_q8_0(tensor: ReaderTensor) -> tuple[NDArray[Any], GGMLQuantizationType]:
        values = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if values.ndim == 1:
            return values, GGMLQuantizationType.F32
        return quantize(values, GGMLQuantizationType.Q8_0), GGMLQuantizationType.Q8_0

    write_gguf(reader, target, in_q8_0, LlamaFileType.MOSTLY_Q8_0)


def write_gguf(
    reader: GGUFReader,
    target: Path,
    change: Callable[[ReaderTensor], tuple[NDArray[Any], GGMLQuantizationType]],
    file_type: int,
) -> None:
    """Copy a GGUF file with changed tensors.

    Args:
        reader: The file to copy.
        target: The file to write.
        change: Returns the new data of a tensor, and the type in which it is packed.
        file_type: The `LlamaFileType` of most matrices.
    """
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in REWRITTEN_FIELDS:
            kind = field.types[0]
            element = field.types[-1] if kind == GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, sub_type=element)
    writer.add_file_type(file_type)
    writer.add_quantization_version(2)
    for tensor in reader.tensors:
        data, type_ = change(tensor)
        writer.add_tensor(tensor.name, data, raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read_facts(path: Path) -> dict[str, Any]:
    """Read the control tokens and the context length of a GGUF file.

    Raises:
        KeyError: The file declares no tokeniser or no context length.
    """
    fields = GGUFReader(path).fields
    kinds: list[int] = fields["tokenizer.ggml.token_type"].contents()
    tokens: list[str] = fields["tokenizer.ggml.tokens"].contents()
    architecture = fields["general.architecture"].contents()
    return {
        "control_tokens": [t for t, kind in zip(tokens, kinds, strict=True) if kind == TokenType.CONTROL],
        "context_tokens": int(fields[f"{architecture}.context_length"].contents()),
    }


def write_openvino(path: Path, *, unpacked: bool) -> None:
    """Write `openvino_model.xml` and `.bin` beside a GGUF file.

    Args:
        path: The GGUF file.
        unpacked: Store a small model's matrices as 32-bit floats (four times the disk space), not 8-bit integers.

    Raises:
        RuntimeError: OpenVINO does not support the model.
        OSError: The files could not be written.
    """
    try:
        make_pipeline(path, "f32", Tokenizer(path), enable_save_ov_model=True)
    except RuntimeError as error:
        if "iostream error" in str(error):
            raise OSError(f"OpenVINO could not write its files: {error}") from error
        raise
    if unpacked and path.with_name("openvino_model.bin").stat().st_size <= MAX_UNPACKED_BYTES:
        _unpack(path.with_name("openvino_model.xml"))


def _unpack(path: Path) -> None:
    """Store the 8-bit matrices as floats; otherwise every decoding step would convert them again."""
    model = openvino.Core().read_model(path)
    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(model)
    unpacked = path.with_stem("unpacked")
    openvino.save_model(model, unpacked, compress_to_fp16=False)
    del model  # it maps the file that is replaced next
    for suffix in (".bin", ".xml"):
        unpacked.with_suffix(suffix).replace(path.with_suffix(suffix))
