"""The processes of one training, which `accelerate launch` announces in the environment."""

import os


def processes() -> int:
    """The number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this process is the one that writes files and messages."""
    return os.environ.get("RANK", "0") == "0"
