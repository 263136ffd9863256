"""Fingerprints of windows, which show whether an evaluation uses ratings that a model was trained on."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

FINGERPRINTS = "fingerprints.json"
"""The file in which a training, a sampling or an evaluation lists the windows that it used."""

SALT = b"deeper window"


def fingerprints(windows: Iterable[Sequence[Mapping[str, Any]]]) -> list[str]:
    """Return hashes that are equal for windows with the same titles and ratings, and that reveal neither.

    Ids, times and the order within a window do not count, so a user is recognised under another id. In another edition
    of the data, a user is recognised only if windows begin at the same ratings.

    Args:
        windows: Windows of `schema.ITEM` rows.

    Returns:
        Salted BLAKE2b hashes of 16 hex digits, distinct and sorted.
    """
    return sorted({_fingerprint(window) for window in windows})


def _fingerprint(window: Sequence[Mapping[str, Any]]) -> str:
    rated = sorted((item["title"], float(item["rating"])) for item in window)
    return blake2b(repr(rated).encode(), digest_size=8, salt=SALT).hexdigest()
