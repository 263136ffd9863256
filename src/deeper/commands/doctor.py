"""What works on this machine."""

import importlib
import os
import platform
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from deeper.engine import Prompt, Sampling, ScoreRequest
from deeper.engine.openvino.weights import are_prepared, cache_folder

NEEDED_GIB = 1.0
EXTRAS = {
    "baselines": ("myfm",),
    "prepare": ("duckdb", "fsspec"),
    "train": ("torch", "transformers", "peft", "trl", "datasets", "accelerate", "llguidance"),
}


@dataclass(frozen=True)
class Check:
    """One finding; "missing" is optional, "broken" keeps the main job from running."""

    name: str
    state: Literal["ok", "missing", "broken"]
    finding: str


def examine() -> list[Check]:
    """Look at Python, machine, disk, weights, engines and extras; takes a few seconds."""
    return [
        Check("Python", "ok", f"{platform.python_version()} on {platform.platform()}"),
        Check("machine", "ok", f"{os.cpu_count()} cores"),
        _disk("cache", cache_folder()),
        _disk("run folders", Path.cwd()),
        _weights(),
        _embedded(),
        _openai(),
        *(_extra(name, packages) for name, packages in EXTRAS.items()),
        _gpu(),
    ]


def _disk(name: str, folder: Path) -> Check:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free / 2**30
    if not os.access(existing, os.W_OK):
        return Check(name, "broken", f"{folder} cannot be written")
    state = "ok" if free >= NEEDED_GIB else "broken"
    return Check(name, state, f"{folder}, {free:.1f} GiB free")


def _weights() -> Check:
    if are_prepared():
        return Check("weights", "ok", "SmolLM2-135M-Instruct is in the cache")
    return Check("weights", "missing", "not in the cache yet; the self-test below fetches them (93 MB)")


def _embedded() -> Check:
    from deeper.engine.registry import make_engine

    try:
        engine = make_engine("embedded")
        began = time.monotonic()
        answer = engine.generate([Prompt("You are brief.", "Name a colour.")], Sampling(8))[0]
        scores = engine.score([ScoreRequest(Prompt("You judge.", "Is water wet?"), ("",), ("yes", "no"))])[0]
    except Exception as error:  # whatever is wrong with this machine is the finding
        return Check("embedded engine", "broken", f"{type(error).__name__}: {error}")
    seconds = time.monotonic() - began
    if answer.failure or not (scores < 0).all():
        return Check("embedded engine", "broken", f"self-test failed: {answer.failure or scores}")
    return Check("embedded engine", "ok", f"self-test in {seconds:.1f} s; {engine.fingerprint}")


def _openai() -> Check:
    address = os.environ.get("OPENAI_BASE_URL")
    if not address and not os.environ.get("OPENAI_API_KEY"):
        return Check("openai engine", "missing", "set OPENAI_BASE_URL and OPENAI_API_KEY to use a server")
    return Check("openai engine", "ok", f"set up for {address or 'the default address'}; not called")


def _extra(name: str, packages: Sequence[str]) -> Check:
    try:
        for package in packages:
            importlib.import_module(package)
    except ImportError as error:
        first = "PyTorch, then " if "torch" in packages else ""
        return Check(
            f"extra [{name}]", "missing", f'{error}; install with: {first}pip install "deeper-persona[{name}]"'
        )
    return Check(f"extra [{name}]", "ok", ", ".join(f"{package} {version(package)}" for package in packages))


def _gpu() -> Check:
    try:
        import torch
    except ImportError as error:
        return Check("GPU", "missing", f"{error}; only the extra [train] uses one")
    if not torch.cuda.is_available():
        return Check("GPU", "missing", "none that PyTorch can use; the engine transformers runs on the processor")
    facts: Any = torch.cuda.get_device_properties(0)
    return Check("GPU", "ok", f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}")
