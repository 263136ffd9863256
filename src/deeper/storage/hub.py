"""Find folders by path, or fetch them from the Hugging Face hub by name. An existing path always comes first."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from deeper.errors import UserError

What = Literal["model", "adapter", "data set"]

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_hub_name(source: str) -> bool:
    """Whether text is a hub name, "owner/name", and not a path on this machine.

    If the first folder of the text exists here, it is a path, even if the rest is missing.
    """
    return bool(_NAME.fullmatch(source)) and not Path(source).exists() and not Path(source).parent.exists()


def folder_of(source: str, what: What, patterns: Sequence[str]) -> Path:
    """Return the folder that `source` names: a hub name is fetched (see `fetch`), anything else is a path."""
    return fetch(source, what, patterns) if is_hub_name(source) else Path(source)


def fetch(name: str, what: What, patterns: Sequence[str]) -> Path:
    """Return the folder of a repository on the hub, fetched unless it is cached. HF_HUB_OFFLINE allows the cache only.

    Args:
        name: The repository's name on the hub.
        what: What the repository holds.
        patterns: The files to fetch, as glob patterns.

    Raises:
        UserError: The repository cannot be fetched, or huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise UserError(
            "names on the hub need the package huggingface_hub, which is not installed",
            where=name,
            do="run pip install huggingface_hub, or give a folder",
        ) from error
    kind = "dataset" if what == "data set" else "model"
    try:
        return Path(snapshot_download(name, repo_type=kind, allow_patterns=list(patterns)))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"the {what} cannot be fetched ({(str(error) or repr(error)).splitlines()[0][:200]})",
            where=name,
            do=f"check the name and the network, or give the folder of {'an' if what == 'adapter' else 'a'} {what}",
        ) from error
