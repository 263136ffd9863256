"""Larger models to try with the engine `embedded`, and which of them fit this machine.

The list holds models that may be used commercially, in one GGUF file that OpenVINO reads. Memory and disk are estimates
from the number of weights (`deeper.engine.openvino.cost`). `measured` names the file in docs/results that holds
results of this code with the model; without one, nothing is known of its personas.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deeper.engine.openvino.cost import MEMORY_TO_RUN, Cost, cost_of_weights
from deeper.engine.openvino.weights import cache_folder
from deeper.storage.processor import computes_in_int8, memory_bytes


@dataclass(frozen=True)
class Suggestion:
    """A model to try.

    Attributes:
        name: The model's name.
        file: Repository, file and revision on the hub, as `embedded:hf:` takes them.
        weights: Number of weights in the file.
        download_bytes: The file's size.
        licence: The model's licence.
        measured: A file in docs/results with results of this code; empty if nothing was measured.
    """

    name: str
    file: str
    weights: int
    download_bytes: int
    licence: str
    measured: str = ""

    @property
    def spec(self) -> str:
        """What to give as an engine."""
        return f"embedded:hf:{self.file}"

    @property
    def cost(self) -> Cost:
        """What the conversion takes here."""
        return cost_of_weights(self.weights, rewritten=True, unpacked=not computes_in_int8())

    @property
    def memory_bytes(self) -> float:
        """Memory that the model needs, converted or running."""
        return max(self.cost.memory_bytes, self.weights * MEMORY_TO_RUN)

    @property
    def disk_bytes(self) -> float:
        """Disk space for the download and the converted model."""
        return self.download_bytes + self.cost.disk_bytes


SUGGESTIONS = (
    Suggestion(
        "Qwen2.5-0.5B-Instruct",
        "Qwen/Qwen2.5-0.5B-Instruct-GGUF/qwen2.5-0.5b-instruct-q4_k_m.gguf",
        630_000_000,
        491_000_000,
        "Apache-2.0",
    ),
    Suggestion(
        "SmolLM2-1.7B-Instruct",
        "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF/smollm2-1.7b-instruct-q4_k_m.gguf",
        1_711_000_000,
        1_056_000_000,
        "Apache-2.0",
    ),
    Suggestion(
        "Qwen2.5-1.5B-Instruct",
        "Qwen/Qwen2.5-1.5B-Instruct-GGUF/qwen2.5-1.5b-instruct-q4_k_m.gguf",
        1_777_000_000,
        1_117_000_000,
        "Apache-2.0",
    ),
    Suggestion(
        "Qwen2.5-7B-Instruct",
        "Qwen/Qwen2.5-7B-Instruct-GGUF/qwen2.5-7b-instruct-q3_k_m.gguf",
        7_616_000_000,
        3_810_000_000,
        "Apache-2.0",
    ),
)
"""The smallest first. The other 4-bit files of Qwen2.5-7B-Instruct are split in parts; its 3B is not Apache-2.0. Names
and sizes are those that public code downloads; they were not checked on the hub."""


@dataclass(frozen=True)
class Room:
    """What this machine has.

    Attributes:
        memory_bytes: Memory that programs can use; None if it is unknown.
        disk_bytes: Free disk space for the cache.
    """

    memory_bytes: int | None
    disk_bytes: int

    def fits(self, model: Suggestion) -> bool:
        """Whether a model can be converted and run; memory that is unknown counts as enough."""
        enough = self.memory_bytes is None or model.memory_bytes <= self.memory_bytes
        return enough and model.disk_bytes <= self.disk_bytes


def room_here() -> Room:
    """Return this machine's memory and disk space."""
    cache: Path = cache_folder()
    existing = next(path for path in (cache, *cache.absolute().parents) if path.exists())
    return Room(memory_bytes(), shutil.disk_usage(existing).free)


def largest_that_fits(room: Room, models: Sequence[Suggestion] = SUGGESTIONS) -> Suggestion | None:
    """Return the model with the most weights that fits; None if none does."""
    return max((model for model in models if room.fits(model)), key=lambda model: model.weights, default=None)
