"""GGUF in, Q8_0 GGUF and OpenVINO files out."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino_genai
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType, ReaderTensor
from gguf.constants import TokenType
from gguf.quants import dequantize, quantize
from numpy.typing import NDArray
from openvino.passes import ConstantFolding, Manager

EXACT = {GGMLQuantizationType.Q8_0, GGMLQuantizationType.F16}
"""Types of matrices that OpenVINO reads and does not spoil (Q8_0: within .06 nat of the dequantised weights).

Q4_1 gives wrong logits, F32 and BF16 are refused.
"""
UNPACKED_LIMIT = 512 << 20
"""Bytes of 8-bit weights above which they stay packed: as floats they would take too much memory."""
REWRITTEN = {"general.architecture", "general.file_type", "general.quantization_version"}


def requantise(source: Path, target: Path) -> None:
    """Write `source` with all matrices in Q8_0 and all vectors in F32; a file that OpenVINO reads as it is is linked.

    Raises:
        ValueError: `source` is not a GGUF file.
    """
    reader = GGUFReader(source)
    if all(tensor.tensor_type in EXACT for tensor in reader.tensors if len(tensor.shape) > 1):
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
    """Write a GGUF file with the facts of another one and changed tensors.

    Args:
        reader: The other file.
        target: The file to write.
        change: Gives the data of a tensor, packed as the type beside it says.
        file_type: What most matrices are, as a `LlamaFileType`.
    """
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in REWRITTEN:
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
    """The control tokens and the context length that a GGUF file declares.

    Raises:
        KeyError: The file has no tokeniser or no context length.
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
        unpacked: Keep the matrices of a small model as 32-bit floats (four times the disk), not as 8-bit integers.

    Raises:
        RuntimeError: OpenVINO does not support the model.
        OSError: The files could not be written.
    """
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.num_kv_blocks = 1
    try:
        openvino_genai.ContinuousBatchingPipeline(path, scheduler, "CPU", {"enable_save_ov_model": True})
    except RuntimeError as error:
        if "iostream error" in str(error):
            raise OSError(f"OpenVINO could not write its files: {error}") from error
        raise
    if unpacked and path.with_name("openvino_model.bin").stat().st_size <= UNPACKED_LIMIT:
        _unpack(path.with_name("openvino_model.xml"))


def _unpack(path: Path) -> None:
    """Compute once what every decoding step would compute again: the floats behind the 8-bit matrices."""
    model = openvino.Core().read_model(path)
    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(model)
    unpacked = path.with_stem("unpacked")
    openvino.save_model(model, unpacked, compress_to_fp16=False)
    del model  # which maps the file that is replaced
    for suffix in (".bin", ".xml"):
        unpacked.with_suffix(suffix).replace(path.with_suffix(suffix))
