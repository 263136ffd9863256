"""Record where a result comes from: commit, versions and machine, and the recipes that shaped it."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeper.storage.processor import name_of_processor

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PACKAGES = ("deeper-persona", "openvino", "openvino-genai", "openai", "numpy", "pyarrow", "gguf", "myfm", "duckdb",
            "torch", "transformers", "peft", "trl")  # fmt: skip
"""Packages whose versions are recorded, if they are installed."""


def provenance() -> dict[str, Any]:
    """Return commit, versions and machine. The commit ends in "+changes" if files differ from it; None outside git."""
    return {
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **_versions()},
        "machine": _machine(),
    }


def dump_recipes(**recipes: "DataclassInstance") -> dict[str, Any]:
    """The fields of each recipe by its name, as JSON holds them (lists for tuples).

    Recipes are the numbers that shape a result and are not settings.
    """
    return json.loads(json.dumps({name: asdict(recipe) for name, recipe in recipes.items()}))


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _machine() -> dict[str, Any]:
    machine = {"system": platform.platform(), "processor": name_of_processor(), "cores": os.cpu_count()}
    # A run that used a GPU has imported torch already. Other runs do not wait for the import.
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        machine["accelerator"] = torch.cuda.get_device_name()
    return machine


def _commit() -> str | None:
    """Return the commit of the git checkout that this package runs from."""
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return f"{commit}+changes" if _git(root, "status", "--porcelain") else commit
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()
