"""What a larger model costs, estimated from the number of its weights: time, memory and disk.

The rates come from docs/results/conversion.json, which `benchmarks/conversion.py` measured on two cores.
"""

from dataclasses import dataclass

from gguf import GGUFReader

from deeper.engine.openvino.convert import MAX_UNPACKED_BYTES, is_faithful

SECONDS_TO_CONVERT = 130e-9
"""Seconds for a weight until OpenVINO's files are written and hashed."""
MEMORY_TO_CONVERT = 4.5
"""Bytes of memory for a weight at the peak of a conversion."""
MEMORY_TO_RUN = 6.0
"""Bytes of memory for a weight at the peak of a run in which the model both writes and reads personas."""
BYTES_AS_Q8_0 = 34 / 32
"""Bytes on disk for a weight in Q8_0, and in OpenVINO's 8-bit files: blocks of 32 weights with one scale."""
BYTES_AS_FLOAT = 4


@dataclass(frozen=True)
class Cost:
    """What a conversion takes.

    Attributes:
        seconds: Time on two cores.
        memory_bytes: Memory at its peak.
        disk_bytes: Disk space that stays taken, besides the source.
    """

    seconds: float
    memory_bytes: float
    disk_bytes: float


def cost_of(reader: GGUFReader, *, unpacked: bool) -> Cost:
    """Estimate what the conversion of a file takes.

    Args:
        reader: The file.
        unpacked: Whether a small model's matrices are stored as 32-bit floats.
    """
    weights = sum(tensor.n_elements for tensor in reader.tensors)
    return cost_of_weights(weights, rewritten=not is_faithful(reader), unpacked=unpacked)


def cost_of_weights(weights: int, *, rewritten: bool, unpacked: bool) -> Cost:
    """Estimate what the conversion of so many weights takes.

    Args:
        weights: Number of the model's weights.
        rewritten: Whether a GGUF file in Q8_0 is written besides OpenVINO's files.
        unpacked: Whether a small model's matrices are stored as 32-bit floats.
    """
    packed = weights * BYTES_AS_Q8_0
    openvino = weights * BYTES_AS_FLOAT if unpacked and packed <= MAX_UNPACKED_BYTES else packed
    disk = openvino + packed if rewritten else openvino
    return Cost(weights * SECONDS_TO_CONVERT, weights * MEMORY_TO_CONVERT, disk)
