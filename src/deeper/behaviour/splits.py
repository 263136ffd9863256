"""Which train users a model may learn from, and which it is judged on.

A judge that has learnt from a user remembers the answers, so that the users are parted once and for all.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Literal

from deeper.errors import UserError

Part = Literal["a", "b", "validation"]

VALIDATION_SHARE = 0.2


def part(domain: str, user: str) -> Part:
    """The part of the train users that a user belongs to; the same for ever.

    By default predictors are trained on "a", directions are sampled for "b", and choices are made on "validation".
    A fifth of the users are validation users, the others are halved; the hash is BLAKE2b with a salt.

    Args:
        domain: The domain's id.
        user: The user's id.
    """
    share = int.from_bytes(_digest("part", domain, user), "big") / 2**64
    if share < VALIDATION_SHARE:
        return "validation"
    return "a" if share < (1 + VALIDATION_SHARE) / 2 else "b"


def user_hash(domain: str, user: str) -> str:
    """A name for a user of a domain that does not show the id: 16 hex digits of a salted BLAKE2b hash."""
    return _digest("user", domain, user).hex()


def some_of_each_domain(users: Iterable[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    """At most `count` users of each domain, chosen by their hash, so that a smaller choice is a part of a larger one.

    Args:
        users: Domain and id of each.
        count: Users of each domain, at most.

    Returns:
        Sorted by domain and id.
    """
    by_domain: dict[str, list[tuple[str, str]]] = {}
    for user in sorted(users, key=lambda user: user_hash(*user)):
        by_domain.setdefault(user[0], []).append(user)
    return sorted(user for found in by_domain.values() for user in found[:count])


def _digest(purpose: str, domain: str, user: str) -> bytes:
    return blake2b("\0".join((domain, user)).encode(), digest_size=8, salt=f"deeper {purpose}".encode()).digest()


def share_out(keys: Iterable[tuple[str, str]], trained_on: Sequence[frozenset[str]]) -> list[list[tuple[str, str]]]:
    """Give each user to the first predictor that was not trained on it, so that no judge remembers the answers.

    Args:
        keys: The users.
        trained_on: For each predictor the users that it was trained on, as `splits.user_hash` names them.

    Raises:
        UserError: There are users whom every predictor was trained on.
    """
    shares: list[list[tuple[str, str]]] = [[] for _ in trained_on]
    remembered = 0
    for key in keys:
        fits = [i for i, users in enumerate(trained_on) if user_hash(*key) not in users]
        if fits:
            shares[fits[0]].append(key)
        else:
            remembered += 1
    if remembered:
        raise UserError(
            f"{remembered} users were in the training of every predictor given, which would remember their ratings",
            where="predictor_adapter",
            do="train a predictor on the other part of the users (--fold) and give both, with a comma between",
        )
    return shares
