"""Divide the train users into fixed parts: some train a predictor, others sample directions or validate.

A predictor remembers the ratings of its training users. Its rewards for their personas would be biased.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Literal

from deeper.behaviour.recipe import RECIPE
from deeper.errors import UserError

Part = Literal["a", "b", "validation"]


def part(domain: str, user: str) -> Part:
    """Return the part of the train users that a user belongs to; it never changes.

    By default predictors are trained on "a", directions are sampled for "b", and choices are made on "validation". A
    salted BLAKE2b hash assigns a fifth of the users to "validation", and half of the rest each to "a" and "b".
    """
    share = int.from_bytes(_digest("part", domain, user), "big") / 2**64
    if share < RECIPE.validation_share:
        return "validation"
    return "a" if share < (1 + RECIPE.validation_share) / 2 else "b"


def user_hash(domain: str, user: str) -> str:
    """Return a name for a user that does not reveal the id: 16 hex digits of a salted BLAKE2b hash."""
    return _digest("user", domain, user).hex()


def some_of_each_domain(users: Iterable[tuple[str, str]], count: int, skip: int = 0) -> list[tuple[str, str]]:
    """Return at most `count` users of each domain, chosen by hash: a smaller choice is a subset of a larger one.

    Args:
        users: Domain and id of each user.
        count: Largest number of users of each domain.
        skip: Users of each domain to pass over first: those that a choice of so many has.

    Returns:
        Sorted by domain and id.
    """
    by_domain: dict[str, list[tuple[str, str]]] = {}
    for user in sorted(users, key=lambda user: user_hash(*user)):
        by_domain.setdefault(user[0], []).append(user)
    return sorted(user for found in by_domain.values() for user in found[skip : skip + count])


def _digest(purpose: str, domain: str, user: str) -> bytes:
    return blake2b("\0".join((domain, user)).encode(), digest_size=8, salt=f"deeper {purpose}".encode()).digest()


def share_out(keys: Iterable[tuple[str, str]], trained_on: Sequence[frozenset[str]]) -> list[list[tuple[str, str]]]:
    """Assign each user to the first predictor that was not trained on that user.

    Args:
        keys: Domain and id of each user.
        trained_on: For each predictor, the `user_hash` of each of its training users.

    Returns:
        For each predictor, its users.

    Raises:
        UserError: Every predictor was trained on some user.
    """
    shares: list[list[tuple[str, str]]] = [[] for _ in trained_on]
    unassigned = 0
    for key in keys:
        unbiased = [i for i, users in enumerate(trained_on) if user_hash(*key) not in users]
        if unbiased:
            shares[unbiased[0]].append(key)
        else:
            unassigned += 1
    if unassigned:
        raise UserError(
            f"every predictor was trained on {unassigned} of these users, and would remember their ratings",
            where="predictor_adapter",
            do="train a predictor on the other part of the users (--fold), and give both, separated by a comma",
        )
    return shares
