"""Fingerprints of windows: they show whether ratings that were learnt from are among those that are judged."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

FINGERPRINTS = "fingerprints.json"
"""What a training, a sampling and an evaluation leave of the windows that they learnt or chose from."""

SALT = b"deeper window"


def fingerprints(windows: Iterable[Sequence[Mapping[str, Any]]]) -> list[str]:
    """What tells windows of the same ratings of the same titles, and shows neither, nor whose they are.

    Ids and times do not count, so a user is found again under another id or in another order; in another edition of
    the data only where windows begin with the same ratings.

    Args:
        windows: Rows of `schema.ITEM`.

    Returns:
        Sorted salted BLAKE2b hashes of 16 hexadecimal digits, each once.
    """
    return sorted({_fingerprint(window) for window in windows})


def _fingerprint(window: Sequence[Mapping[str, Any]]) -> str:
    rated = sorted((item["title"], float(item["rating"])) for item in window)
    return blake2b(repr(rated).encode(), digest_size=8, salt=SALT).hexdigest()
