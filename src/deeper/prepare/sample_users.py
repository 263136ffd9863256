"""Which users are sampled, into which split, and the ids that stand for theirs.

Everything hangs on hashes of the raw id, so that new raw data moves nobody from one split to the other, and a user
leaves the sample only if another of a lower hash has come.
"""

import secrets
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa

from deeper.errors import UserError
from deeper.prepare.sources import SALT

CHOSEN = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("raw", "user", "split")]
    + [pa.field("n", pa.int64(), nullable=False)]
)
"""A sampled user: raw id, the id that stands for it, "train" or "eval", and how many ratings there are."""

KEY_BYTES = 32
HALF = 2**32


def choose_users(users: Iterable[tuple[str, int]], train: int, eval_users: int, domain: str, key: bytes) -> pa.Table:
    """Sample users by BLAKE2b (8 bytes) of salt, domain and raw id.

    The first half of the hash tells the split: eval below the share eval / (train + eval), else train. Of each split
    the users with the lowest second half are taken.

    Args:
        users: Raw id and number of ratings of each user who is long enough; ids once.
        train: Train users, at most.
        eval_users: Eval users, at most.
        domain: Its id; part of what is hashed.
        key: Secret key of the ids that stand for raw ones.

    Returns:
        A `CHOSEN` table, sorted by the new id.
    """
    share = eval_users / max(1, train + eval_users)
    split: dict[str, list[tuple[int, str, int]]] = {"train": [], "eval": []}
    for raw, count in users:
        hashed = blake2b("\0".join((SALT, domain, raw)).encode(), digest_size=8).digest()
        first, second = int.from_bytes(hashed[:4], "big"), int.from_bytes(hashed[4:], "big")
        split["eval" if first < share * HALF else "train"].append((second, raw, count))
    wanted = {"train": train, "eval": eval_users}
    rows = [
        {"raw": raw, "user": anonymous(raw, key), "split": name, "n": count}
        for name, found in split.items()
        for _, raw, count in sorted(found)[: wanted[name]]
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["user"]), schema=CHOSEN)


def anonymous(raw: str, key: bytes) -> str:
    """The id that stands for a raw one: keyed BLAKE2b, 32 hexadecimal digits."""
    return blake2b(raw.encode(), key=key, digest_size=16).hexdigest()


def key_mark(key: bytes) -> str:
    """Eight digits that tell one key from another and give neither away."""
    return blake2b(b"which key", key=key, digest_size=4).hexdigest()


def check_place(path: Path, out: Path) -> None:
    """Refuse a key's file in the output folder.

    Raises:
        UserError: It is there.
    """
    if path.resolve().is_relative_to(out.resolve()):
        do = "choose a place that is not given away with the data"
        raise UserError("the key must not be in the output folder", where=str(path), do=do)


def read_key(path: Path) -> bytes:
    """The secret key, made on first use, with access for its owner only.

    Args:
        path: The key's file: 64 hexadecimal digits.

    Raises:
        UserError: It cannot be read or written, or holds no key.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=False)
        if not path.stat().st_size:  # new, or left by a run that was killed here or found the disk full
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
