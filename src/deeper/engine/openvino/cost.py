"""What a model costs before it is converted: time, memory and disk, from the number of its weights.

The rates are those of docs/results/conversion.json, which `benchmarks/conversion.py` measured on two cores.
"""

from dataclasses import dataclass

from gguf import GGUFReader

from deeper.engine.openvino.convert import MAX_UNPACKED_BYTES, is_faithful

SECONDS_TO_REWRITE = 100.0
"""Seconds that a billion weights take to be rewritten as Q8_0."""
SECONDS_TO_COMPILE = 40.0
"""Seconds that a billion weights take until OpenVINO's files are written and hashed."""
MEMORY_TO_CONVERT = 4.0
"""Bytes of memory for a weight at the peak of a conversion."""
MEMORY_TO_RUN = 2.5
"""Bytes of memory for a weight while personas are written and read, with the caches of keys and values."""
BYTES_AS_Q8_0 = 34 / 32
"""Bytes on disk for a weight in Q8_0: blocks of 32 weights with one scale."""
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


def cost_of_weights(weights: int, *, rewritten: bool = True, unpacked: bool = False) -> Cost:
    """Estimate what the conversion of so many weights takes.

    Args:
        weights: Number of the model's weights.
        rewritten: Whether a GGUF file in Q8_0 is written besides OpenVINO's files.
        unpacked: Whether a small model's matrices are stored as 32-bit floats.
    """
    packed = weights * BYTES_AS_Q8_0
    openvino = weights * BYTES_AS_FLOAT if unpacked and packed <= MAX_UNPACKED_BYTES else packed
    seconds = weights / 1e9 * (SECONDS_TO_COMPILE + rewritten * SECONDS_TO_REWRITE)
    return Cost(seconds, weights * MEMORY_TO_CONVERT, openvino + rewritten * packed)
