"""Adapters: LoRA weights in PEFT's two files, and a card that says what they were trained for, on and with."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open

from deeper.errors import UserError

Kind = Literal["policy", "predictor"]

CARD, CONFIG, TENSORS = "deeper.json", "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Adapter:
    """A trained adapter.

    Attributes:
        folder: Holds PEFT's files and the card.
        kind: `policy` (writes personas) or `predictor` (reads them).
        base: `Weights.base` of the weights it was trained on.
        prompt_version: `Prompts.version` of the prompts it was trained with.
        users: Hashes of the users it was trained on.
        digest: Identifies tensors and configuration; 64 hex digits.
    """

    folder: Path
    kind: Kind
    base: str
    prompt_version: str
    users: frozenset[str]
    digest: str


class _Card(BaseModel):
    """The content of `deeper.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    base: str
    prompt_version: str
    users: tuple[str, ...]
    provenance: dict[str, Any]


def write_card(
    folder: Path,
    *,
    kind: Kind,
    base: str,
    prompt_version: str,
    users: Iterable[str],
    provenance: Mapping[str, Any],
) -> None:
    """Write the card beside PEFT's files; it is there whole or not at all.

    Args:
        folder: The adapter's folder.
        kind: Who uses it.
        base: `Weights.base` of the weights it was trained on.
        prompt_version: `Prompts.version` of the prompts it was trained with.
        users: Hashes of the users it was trained on, never their ids.
        provenance: Where it comes from: settings, data, versions; anything that JSON holds.
    """
    card = _Card(
        kind=kind,
        base=base,
        prompt_version=prompt_version,
        users=tuple(sorted(set(users))),
        provenance=dict(provenance),
    )
    staging = folder / f".{CARD}"
    staging.write_text(card.model_dump_json(indent=1) + "\n", "utf-8")
    staging.replace(folder / CARD)


def load_adapter(folder: Path) -> Adapter:
    """Read an adapter's card and check that its files can be read.

    Raises:
        UserError: There is no adapter in the folder, or it is broken.
    """
    if missing := [name for name in (CONFIG, TENSORS, CARD) if not (folder / name).is_file()]:
        raise UserError(
            f"there is no adapter of deeper here ({', '.join(missing)} missing)",
            where=str(folder),
            do="give the folder that a training has written",
        )
    name = CARD
    try:
        card = _Card.model_validate_json((folder / CARD).read_bytes())
        name = CONFIG
        config = read_config(folder)
        name = TENSORS
        with safe_open(folder / TENSORS, "numpy"), (folder / TENSORS).open("rb") as stream:
            tensors = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(
            f"the adapter's file cannot be read ({_reason(error)})",
            where=str(folder / name),
            do="copy the adapter's folder again, or train it again",
        ) from error
    digest = hashlib.sha256((_canonical(config) + tensors).encode()).hexdigest()
    return Adapter(folder, card.kind, card.base, card.prompt_version, frozenset(card.users), digest)


def read_config(folder: Path) -> dict[str, Any]:
    """PEFT's configuration of an adapter.

    Raises:
        ValueError: It is no JSON object.
    """
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    if not isinstance(config, dict):
        raise ValueError("not a JSON object")
    return config


def check_base(adapter: Adapter, base: str) -> None:
    """Refuse an adapter that was trained on other weights.

    Args:
        adapter: The adapter.
        base: `Weights.base` of the weights that it is to be used with.

    Raises:
        UserError: They are not those that it was trained on.
    """
    if adapter.base != base:
        raise UserError(
            f"the adapter was trained on the weights {adapter.base}, and the engine's are {base}",
            where=str(adapter.folder),
            do="choose the engine whose model it was trained on, or train it on this one",
        )


def _canonical(config: dict[str, Any]) -> str:
    """The configuration without what differs between equal trainings: a path, and the order of PEFT's sets."""
    kept = {name: value for name, value in config.items() if name != "base_model_name_or_path"}
    return json.dumps({k: sorted(v, key=str) if isinstance(v, list) else v for k, v in kept.items()}, sort_keys=True)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return ": ".join([*map(str, first["loc"]), first["msg"]])
    return str(error).splitlines()[0][:200]
