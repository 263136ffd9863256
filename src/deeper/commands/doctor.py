"""Check what works on this machine."""

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

from deeper.engine import Prompt, Sampling, ScoreRequest, ServerSettings
from deeper.engine.openvino.weights import are_prepared, cache_folder
from deeper.engine.precision import number_type
from deeper.errors import UserError, install_extra
from deeper.storage.hub import megabytes

NEEDED_DISK_GIB = 1.0
"""Free disk space for the weights, and for a run folder."""
EXTRAS = {
    "baselines": ("myfm",),
    "prepare": ("duckdb", "fsspec"),
    "train": ("torch", "transformers", "peft", "trl", "datasets", "accelerate", "llguidance"),
}
"""The packages of each optional extra."""


@dataclass(frozen=True)
class Check:
    """One finding. "missing" is optional; with "broken", the engine or `deeper evaluate` cannot run here."""

    name: str
    state: Literal["ok", "missing", "broken"]
    finding: str


def examine() -> list[Check]:
    """Check Python, machine, disk, weights, engines and extras. This takes a few seconds."""
    return [
        Check("Python", "ok", f"{platform.python_version()} on {platform.platform()}"),
        Check("machine", "ok", f"{os.cpu_count()} cores"),
        _precision(),
        _disk("cache", cache_folder()),
        _disk("run folders", Path.cwd()),
        _weights(),
        _larger_models(),
        _self_test("embedded engine", "embedded"),
        _openai(),
        *(_extra(name, packages) for name, packages in EXTRAS.items()),
        _gpu(),
    ]


def examine_engine(spec: str, adapter: str, server: ServerSettings) -> list[Check]:
    """Check one engine: a server is asked what it can do, any other engine runs a short self-test.

    Args:
        spec: The engine, as `make_engine` takes it.
        adapter: An adapter for it, or a LoRA's name on a server; empty for none.
        server: How to call a server.
    """
    if not spec.startswith("openai:"):
        return [_self_test(f"engine {spec}", spec, adapter)]
    from deeper.engine.openai.engine import OpenAIEngine
    from deeper.engine.openai.probe import probe
    from deeper.engine.registry import make_engine

    engine = make_engine(spec, adapter, server=server)
    assert isinstance(engine, OpenAIEngine)
    key = "set" if os.environ.get(server.key_variable) else "not set"
    settings = (
        f"{engine.address}; key from {server.key_variable} ({key}); up to {server.concurrency} requests in flight; "
        f"timeout {server.timeout_seconds:g} s; {server.retries} retries; extra fields: {server.extra or 'none'}"
    )
    found = [Check(finding.name, finding.state, finding.text) for finding in probe(engine)]
    return [Check("settings", "ok", settings), *found]


def _disk(name: str, folder: Path) -> Check:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free / 2**30
    if not os.access(existing, os.W_OK):
        return Check(name, "broken", f"{folder}: no permission to write here")
    if free < NEEDED_DISK_GIB:
        return Check(name, "broken", f"{folder}: {free:.1f} GiB free; {NEEDED_DISK_GIB:g} GiB needed")
    return Check(name, "ok", f"{folder}: {free:.1f} GiB free")


def _precision() -> Check:
    if number_type("auto") == "bf16":
        return Check("precision", "ok", "auto is fast: models compute in bfloat16; exact would be 32-bit floats")
    return Check("precision", "ok", "auto is exact: 32-bit floats, as this processor has no bfloat16 instructions")


def _weights() -> Check:
    if are_prepared():
        return Check("weights", "ok", "SmolLM2-135M-Instruct is in the cache")
    return Check("weights", "missing", "not in the cache yet; the self-test below downloads them (93 MB)")


def _larger_models() -> Check:
    from deeper.commands.models import largest_that_fits, room_here

    room = room_here()
    model = largest_that_fits(room)
    if model is None:
        return Check("larger models", "missing", "none that deeper models lists fits this machine")
    needs = f"needs {megabytes(model.memory_bytes)} of memory and {megabytes(model.disk_bytes)} of disk"
    return Check("larger models", "ok", f"{model.name} is the largest of deeper models that fits ({needs})")


def _self_test(name: str, spec: str, adapter: str = "") -> Check:
    from deeper.engine.registry import make_engine

    try:
        engine = make_engine(spec, adapter)
        began = time.monotonic()
        answer = engine.generate([Prompt("You are brief.", "Name a colour.")], Sampling(8))[0]
        scores = engine.score([ScoreRequest(Prompt("You answer questions.", "Is water wet?"), ("",), ("yes", "no"))])[0]
    except UserError as error:
        return Check(name, "broken", " ".join(str(error).split()))
    except Exception as error:  # any error on this machine is the finding
        return Check(name, "broken", f"{type(error).__name__}: {error}")
    seconds = time.monotonic() - began
    if answer.failure or not (scores < 0).all():
        return Check(name, "broken", f"the self-test failed: {answer.failure or scores}")
    return Check(name, "ok", f"passed its self-test in {seconds:.1f} s; {engine.fingerprint}")


def _openai() -> Check:
    address = os.environ.get("OPENAI_BASE_URL")
    if not address and not os.environ.get("OPENAI_API_KEY"):
        return Check(
            "openai engine", "missing", "not configured; to use a server, set OPENAI_BASE_URL and OPENAI_API_KEY"
        )
    do = "deeper doctor --engine openai:NAME asks it what it can do"
    return Check("openai engine", "ok", f"configured for {address or 'api.openai.com'}; {do}")


def _extra(name: str, packages: Sequence[str]) -> Check:
    try:
        for package in packages:
            importlib.import_module(package)
    except ImportError as error:
        return Check(f"extra [{name}]", "missing", f"not installed ({error}); {install_extra(name)}")
    return Check(f"extra [{name}]", "ok", ", ".join(f"{package} {version(package)}" for package in packages))


def _gpu() -> Check:
    try:
        import torch
    except ImportError as error:
        return Check(
            "GPU",
            "missing",
            f"not checked, because PyTorch is not installed ({error}); only the extra [train] uses a GPU",
        )
    if not torch.cuda.is_available():
        return Check("GPU", "missing", "PyTorch finds none; the engine transformers runs on the CPU")
    facts: Any = torch.cuda.get_device_properties(0)
    return Check("GPU", "ok", f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}")
