"""What this machine's processor is and can do."""

import platform
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8"}


def computes_in_int8() -> bool:
    """Whether matrices of 8-bit integers are multiplied as they are; without it each step unpacks them to floats.

    Where the system does not say (no `/proc/cpuinfo`, or one without x86 flags) the answer is yes: 8-bit weights need
    a quarter of the memory.
    """
    lines = CPU_INFO.read_text("utf-8").splitlines() if CPU_INFO.exists() else []
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), None)
    return flags is None or not INT8_FLAGS.isdisjoint(flags)


def name_of_processor() -> str:
    """The processor's name as the system tells it."""
    lines = CPU_INFO.read_text("utf-8", "replace").splitlines() if CPU_INFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
