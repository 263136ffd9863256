"""The processes of one training; `accelerate launch` starts them and says so in their environment."""

import os


def processes() -> int:
    """How many processes train together; `accelerate launch` says so."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this one writes files and messages."""
    return os.environ.get("RANK", "0") == "0"
