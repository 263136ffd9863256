"""This machine: its processor's name and abilities, and its memory."""

import os
import platform
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""The memory that a container may use, in bytes, or "max"."""
INT8_FLAGS = {"avx512_vnni", "avx_vnni", "amx_int8"}
"""Flags of x86 processors that multiply 8-bit integers."""


def computes_in_int8() -> bool:
    """Whether the processor multiplies 8-bit integers directly; if not, each step converts them to floats.

    True if the system does not say (no `/proc/cpuinfo`, or no x86 flags in it), because 8-bit weights need a quarter of
    the memory.
    """
    lines = CPU_INFO.read_text("utf-8").splitlines() if CPU_INFO.exists() else []
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), None)
    return flags is None or not INT8_FLAGS.isdisjoint(flags)


def name_of_processor() -> str:
    """Return the processor's name."""
    lines = CPU_INFO.read_text("utf-8", "replace").splitlines() if CPU_INFO.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def memory_bytes() -> int | None:
    """Return the memory that programs here can use; None if the system does not say."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
    limit = MEMORY_LIMIT.read_text("ascii").strip() if MEMORY_LIMIT.exists() else "max"
    return min(memory, int(limit)) if limit.isdecimal() else memory
