"""Sample users, split them into train and eval, and replace their ids.

Hashes of the raw ids decide both. New raw data therefore moves no user to the other split, and a user leaves the sample
only if a new user has a lower hash.
"""

import secrets
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa

from deeper.errors import UserError
from deeper.prepare.sources import SAMPLING_SALT

SAMPLED_USERS = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("raw", "user", "split")]
    + [pa.field("n", pa.int64(), nullable=False)]
)
"""A sampled user: raw id, new id, "train" or "eval", and the number of ratings."""

KEY_BYTES = 32
HASH_HALF_VALUES = 2**32
"""Values that each half of the 8-byte hash can have."""


def sample_users(users: Iterable[tuple[str, int]], train: int, eval_users: int, domain: str, key: bytes) -> pa.Table:
    """Sample users by the BLAKE2b hash (8 bytes) of salt, domain and raw id.

    The first half of the hash decides the split: eval below the share eval / (train + eval), else train. Each split
    takes the users with the lowest second half.

    Args:
        users: Raw id and number of ratings of each user with enough ratings; each id once.
        train: Train users, at most.
        eval_users: Eval users, at most.
        domain: The domain's id.
        key: Secret key of the new ids.

    Returns:
        A `SAMPLED_USERS` table, sorted by the new id.
    """
    share = eval_users / max(1, train + eval_users)
    split: dict[str, list[tuple[int, str, int]]] = {"train": [], "eval": []}
    for raw, count in users:
        hashed = blake2b("\0".join((SAMPLING_SALT, domain, raw)).encode(), digest_size=8).digest()
        first, second = int.from_bytes(hashed[:4], "big"), int.from_bytes(hashed[4:], "big")
        split["eval" if first < share * HASH_HALF_VALUES else "train"].append((second, raw, count))
    wanted = {"train": train, "eval": eval_users}
    rows = [
        {"raw": raw, "user": anonymous(raw, key), "split": name, "n": count}
        for name, found in split.items()
        for _, raw, count in sorted(found)[: wanted[name]]
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["user"]), schema=SAMPLED_USERS)


def anonymous(raw: str, key: bytes) -> str:
    """Return the new id of a raw one: keyed BLAKE2b, 32 hex digits."""
    return blake2b(raw.encode(), key=key, digest_size=16).hexdigest()


def key_fingerprint(key: bytes) -> str:
    """Return 8 hex digits that identify a key without revealing it."""
    return blake2b(b"which key", key=key, digest_size=4).hexdigest()


def check_key_place(path: Path, out: Path) -> None:
    """Refuse a key file inside the output folder.

    Raises:
        UserError: The key file is inside it.
    """
    if path.resolve().is_relative_to(out.resolve()):
        do = "choose a --key-file elsewhere, so that it is not shared with the data"
        raise UserError("the key must not be in the output folder", where=str(path), do=do)


def read_key(path: Path) -> bytes:
    """Return the secret key; make it on first use, readable by its owner only.

    Args:
        path: The key file: 64 hex digits.

    Raises:
        UserError: The file cannot be read or written, or holds no key.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=False)
        if not path.stat().st_size:  # new, or a run was killed here or found the disk full
            path.write_text(secrets.token_hex(KEY_BYTES) + "\n", "ascii")
        key = bytes.fromhex(path.read_text("ascii"))
    except OSError as error:
        raise UserError(
            f"the key cannot be read or written ({error.strerror})", where=str(path), do="choose another --key-file"
        ) from error
    except ValueError as error:
        raise UserError("the file holds no key", where=str(path), do="choose another --key-file") from error
    if len(key) != KEY_BYTES:
        raise UserError("the file holds no key", where=str(path), do="choose another --key-file")
    return key
