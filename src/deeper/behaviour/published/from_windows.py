"""Turn windows into published records."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from deeper.behaviour.published.records import RawWindow, Record
from deeper.domains import Domain, find_domain
from deeper.errors import UserError

User = tuple[str, str, str]
"""Domain id, split and user id."""


def windows_by_user(windows: pa.Table) -> dict[User, dict[int, RawWindow]]:
    """Return the windows of each user by their number, users in the table's order (domain, split, user).

    Args:
        windows: A WINDOW table. Item ids and times are left out, because the published layouts have none.

    Raises:
        UserError: A user's windows are not W0, W1, … without a gap, or there are none.
    """
    users: dict[User, dict[int, RawWindow]] = {}
    rows: list[dict[str, Any]] = windows.to_pylist()
    for row in sorted(rows, key=lambda row: (row["domain"], row["split"], row["user"], row["k"])):
        titles = tuple(str(item["title"]) for item in row["items"])
        # Six digits, because the float32 of 0.1 would be written as 0.10000000149.
        ratings = tuple(round(float(item["rating"]), 6) for item in row["items"])
        users.setdefault((row["domain"], row["split"], row["user"]), {})[row["k"]] = RawWindow(titles, ratings)
    if not users:
        raise UserError("there are no windows to write")
    for (domain, _, user), numbered in users.items():
        if list(numbered) != list(range(len(numbered))):
            raise UserError(f"the windows of user {user!r} in {domain} are not W0, W1, … without a gap")
    return users


def context_records(user: User, windows: Mapping[int, RawWindow], other: Mapping[str, object]) -> list[Record]:
    """Return the contexts of a user, iteration 1 first; none if the user has fewer than three windows.

    Args:
        user: Domain id, split and user id.
        windows: The user's windows W0, W1, ….
        other: The `domain_fields` of the domain.
    """
    return [
        Record(user[2], k, {**other, "split": user[1]}, {near: windows[near] for near in (k - 1, k, k + 1)})
        for k in range(1, len(windows) - 1)
    ]


def domain_fields(domain_id: str, domain: Domain | None = None) -> dict[str, object]:
    """Return a record's fields about its domain, in the published order of keys.

    Args:
        domain_id: A domain's id.
        domain: The domain, if it is not a built-in one.

    Raises:
        UserError: No domain is given, and no built-in one has that id.
    """
    noun = (domain or find_domain(domain_id)).item_noun
    return {"item_type": noun, "split": "", "dataset_name": domain_id, "source_url": ""}
