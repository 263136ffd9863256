"""Convert a GGUF file to what the embedded engine reads: a Q8_0 GGUF file and OpenVINO files.

One matrix at a time is rewritten, so the memory for that is a few times the largest matrix.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType, ReaderTensor
from gguf.constants import GGML_QUANT_SIZES, TokenType
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray
from openvino.passes import ConstantFolding, Manager
from openvino_genai import Tokenizer

from deeper.engine.openvino.compile import make_pipeline

log = logging.getLogger(__name__)

FAITHFUL_TYPES = {GGMLQuantizationType.Q8_0, GGMLQuantizationType.F16}
"""Matrix types that OpenVINO reads correctly (Q8_0: within 0.06 nat of the dequantised weights).

It gives wrong logits for Q4_1, and refuses F32 and BF16.
"""
MAX_UNPACKED_BYTES = 512 << 20
"""Larger 8-bit weights stay packed: as 32-bit floats they would need too much memory."""
REWRITTEN_FIELDS = {"general.architecture", "general.file_type", "general.quantization_version"}
"""Metadata that `write_gguf` sets itself instead of copying."""
PROGRESS_SECONDS = 10.0
"""Time between two lines that say how much is rewritten."""


def is_faithful(reader: GGUFReader) -> bool:
    """Whether OpenVINO reads all matrices of a file correctly as they are."""
    return all(tensor.tensor_type in FAITHFUL_TYPES for tensor in reader.tensors if len(tensor.shape) > 1)


def requantise(reader: GGUFReader, target: Path) -> None:
    """Write a file with all matrices in Q8_0 and all vectors in F32; link it if OpenVINO reads it unchanged.

    Args:
        reader: The file, which `open_gguf` accepts.
        target: The file to write.

    Raises:
        ValueError: A matrix cannot be written in Q8_0.
    """
    if is_faithful(reader):
        source = Path(str(reader.data.filename)).resolve()
        try:
            os.symlink(source, target)
        except OSError:
            shutil.copyfile(source, target)
        return

    def new_type(tensor: ReaderTensor) -> GGMLQuantizationType:
        return GGMLQuantizationType.Q8_0 if len(tensor.shape) > 1 else GGMLQuantizationType.F32

    def rewritten(tensor: ReaderTensor) -> NDArray[Any]:
        return quantize(dequantize(tensor.data, tensor.tensor_type).astype(np.float32), new_type(tensor))

    write_gguf(reader, target, new_type, rewritten, LlamaFileType.MOSTLY_Q8_0)


def write_gguf(
    reader: GGUFReader,
    target: Path,
    new_type: Callable[[ReaderTensor], GGMLQuantizationType],
    rewritten: Callable[[ReaderTensor], NDArray[Any]],
    file_type: int,
) -> None:
    """Copy a GGUF file with changed tensors, one at a time; after an error there is no file.

    Args:
        reader: The file to copy.
        target: The file to write.
        new_type: Returns the type that a tensor will have.
        rewritten: Returns the new data of a tensor, packed in this type.
        file_type: The `LlamaFileType` of most matrices.

    Raises:
        ValueError: The rows of a matrix do not fill whole blocks of its new type.
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
        shape, type_ = tensor.shape.tolist()[::-1], new_type(tensor)
        block, block_bytes = GGML_QUANT_SIZES[type_]
        if shape[-1] % block:
            raise ValueError(f"the rows of {tensor.name} have {shape[-1]} numbers, which {type_.name} cannot hold")
        writer.add_tensor_info(
            tensor.name, shape, np.dtype(np.float32), tensor.n_elements // block * block_bytes, raw_dtype=type_
        )
    try:
        _write(writer, reader, rewritten)
    except BaseException:
        writer.close()
        target.unlink(missing_ok=True)
        raise
    writer.close()


def _write(writer: GGUFWriter, reader: GGUFReader, rewritten: Callable[[ReaderTensor], NDArray[Any]]) -> None:
    """Write a file whose metadata and tensors are declared; log how much is done."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    total, done, told = sum(tensor.n_elements for tensor in reader.tensors), 0, time.monotonic()
    for tensor in reader.tensors:
        writer.write_tensor_data(rewritten(tensor))
        done += tensor.n_elements
        if time.monotonic() - told > PROGRESS_SECONDS:
            log.info("rewriting the weights: %d %%", 100 * done // total)
            told = time.monotonic()


def read_facts(reader: GGUFReader) -> dict[str, Any]:
    """Read the control tokens and the context length of a GGUF file.

    Raises:
        KeyError: The file declares no tokeniser or no context length.
    """
    fields = reader.fields
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
