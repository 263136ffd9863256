"""What lies on the Hugging Face hub, by name; a folder of this machine always comes first."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from deeper.errors import UserError

What = Literal["model", "adapter", "data set"]

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_hub_name(source: str) -> bool:
    """Whether text can only be a name on the hub, "owner/name", and no path of this machine.

    A path whose first folder exists here is one of this machine, even where its end is missing.
    """
    return bool(_NAME.fullmatch(source)) and not Path(source).exists() and not Path(source).parent.exists()


def folder_of(source: str, what: What, patterns: Sequence[str]) -> Path:
    """The folder that `source` names on this machine or, where it can be no path, on the hub; see `fetch`."""
    return fetch(source, what, patterns) if is_hub_name(source) else Path(source)


def fetch(name: str, what: What, patterns: Sequence[str]) -> Path:
    """The folder of something on the hub, fetched unless it is in the hub's cache; HF_HUB_OFFLINE takes only that.

    Args:
        name: On the hub.
        what: What it is.
        patterns: Which files; others are not fetched.

    Raises:
        UserError: It cannot be had.
    """
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise UserError(
            "names on the hub need a package that is not installed (huggingface_hub)",
            where=name,
            do="pip install huggingface_hub, or give a folder",
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
