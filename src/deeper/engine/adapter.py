"""Adapters: LoRA weights in PEFT's two files, and a card.

The card (`deeper.json`) says whether the adapter is a policy's or a predictor's, and which weights, prompts and users
it was trained on. A training writes the card; every command checks it before it uses the adapter.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from safetensors import SafetensorError, safe_open

from deeper.errors import UserError
from deeper.storage.hub import folder_of, is_hub_name

AdapterKind = Literal["policy", "predictor"]

CARD, CONFIG, TENSORS = "deeper.json", "adapter_config.json", "adapter_model.safetensors"
METRICS = "metrics.json"
FILES = (CARD, CONFIG, TENSORS, METRICS)
"""The files of an adapter that are fetched from the hub."""
SHIPPED = Path(__file__).parents[1] / "adapters"
"""Holds the adapters that come with the package. The name of a folder in it is enough to choose one."""


@dataclass(frozen=True)
class Adapter:
    """A trained adapter.

    Attributes:
        folder: Holds PEFT's files and the card.
        kind: `policy` (writes personas) or `predictor` (reads them); None without a card.
        base: `Weights.base` of the weights it was trained on; empty without a card.
        templates: Hashes of the prompt templates it was trained with, by name; empty without a card.
        users: Hashes of the users it was trained on. Without a card they are unknown, and this is empty.
        digest: A hash of tensors and configuration; 64 hex digits.
        provenance: What the card says of its training and, under `before`, of the training that it continued; empty
            without a card.
    """

    folder: Path
    kind: AdapterKind | None
    base: str
    templates: Mapping[str, str] = field(hash=False)
    users: frozenset[str]
    digest: str
    provenance: Mapping[str, Any] = field(default_factory=dict, hash=False)


class _Card(BaseModel):
    """The content of `deeper.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: AdapterKind
    base: str
    templates: dict[str, str]
    users: tuple[str, ...]
    provenance: dict[str, Any]

    @field_validator("provenance")
    @classmethod
    def _is_json(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Refuse infinite numbers and NaN, which would be written as null."""
        json.dumps(value, allow_nan=False)
        return value


def write_card(
    folder: Path,
    *,
    kind: AdapterKind,
    base: str,
    templates: Mapping[str, str],
    users: Iterable[str],
    provenance: Mapping[str, Any],
    before: Adapter | None = None,
) -> None:
    """Write the card beside PEFT's files, whole or not at all.

    Args:
        folder: The adapter's folder.
        kind: Whether a policy or a predictor was trained.
        base: `Weights.base` of the weights it was trained on.
        templates: Hashes of the prompt templates it was trained with, by name (`Prompts.hashes_for`).
        users: Hashes of the users it was trained on, never their ids.
        provenance: Settings, data, versions: anything that JSON holds.
        before: The adapter that the training continued. Its users are added, and its provenance is kept as `before`.
    """
    card = _Card(
        kind=kind,
        base=base,
        templates=dict(templates),
        users=tuple(sorted({*users, *(before.users if before else ())})),
        provenance={**provenance, **({"before": before.provenance} if before else {})},
    )
    staging = folder / f".{CARD}"
    staging.write_text(card.model_dump_json(indent=1) + "\n", "utf-8")
    staging.replace(folder / CARD)


def load_adapter(source: Path, *, needs_card: bool = True) -> Adapter:
    """Read an adapter's card, and check that its other files can be read.

    Args:
        source: Its folder, the name of a folder in `SHIPPED`, or a name on the hub.
        needs_card: Refuse an adapter without a card. Other tools write none, so kind, base, prompts and users of their
            adapters are unknown.

    Raises:
        UserError: There is no adapter, or it is broken.
    """
    is_shipped = len(source.parts) == 1 and not source.exists() and (SHIPPED / source / CARD).is_file()
    folder = SHIPPED / source if is_shipped else folder_of(source.as_posix(), "adapter", FILES)
    needed = (CONFIG, TENSORS, CARD) if needs_card else (CONFIG, TENSORS)
    if missing := [name for name in needed if not (folder / name).is_file()]:
        raise _no_adapter(source, folder.is_dir(), missing)
    name = CARD
    try:
        card = _Card.model_validate_json((folder / CARD).read_bytes()) if (folder / CARD).is_file() else None
        name = CONFIG
        config = read_config(folder)
        name = TENSORS
        with safe_open(folder / TENSORS, "numpy"), (folder / TENSORS).open("rb") as stream:
            tensors = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise UserError(
            f"the adapter's file cannot be read ({_reason(error)})",
            where=str(folder / name),
            do="copy the adapter's folder again, or train it again",
        ) from error
    digest = hashlib.sha256((_canonical(config) + tensors).encode()).hexdigest()
    if card is None:
        return Adapter(folder, None, "", {}, frozenset(), digest)
    return Adapter(folder, card.kind, card.base, card.templates, frozenset(card.users), digest, card.provenance)


def _no_adapter(source: Path, is_folder: bool, missing: list[str]) -> UserError:
    if missing == [CARD]:
        do = "choose a folder that deeper train wrote; adapters of other tools can only be transformers policies"
    elif is_hub_name(source.as_posix()):
        do = f"if this is a whole model, name it as the engine: transformers:{source.as_posix()}"
    else:
        do = "choose a folder that deeper train wrote"
    what = "the folder is not an adapter" if is_folder else "there is no adapter of this name"
    return UserError(f"{what} ({', '.join(missing)} missing)", where=str(source), do=do)


def read_config(folder: Path) -> dict[str, Any]:
    """PEFT's configuration of an adapter.

    Raises:
        ValueError: It is not a JSON object.
    """
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    if not isinstance(config, dict):
        raise ValueError("not a JSON object")
    return config


def check_base(adapter: Adapter, base: str) -> None:
    """Refuse an adapter whose card says that it was trained on other weights.

    Args:
        adapter: The adapter.
        base: `Weights.base` of the weights that the engine would use it with.

    Raises:
        UserError: It was trained on other weights.
    """
    if adapter.base not in ("", base):
        raise UserError(
            f"the adapter was trained on the weights {adapter.base}, and the engine's are {base}",
            where=str(adapter.folder),
            do="choose the engine whose model it was trained on, or train it on this one",
        )


def _canonical(config: dict[str, Any]) -> str:
    """The configuration without what differs between equal training runs: a path, and the order of PEFT's sets."""
    kept = {name: value for name, value in config.items() if name != "base_model_name_or_path"}
    return json.dumps({k: sorted(v, key=str) if isinstance(v, list) else v for k, v in kept.items()}, sort_keys=True)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return ": ".join([*map(str, first["loc"]), first["msg"]])
    return str(error).splitlines()[0][:200]
