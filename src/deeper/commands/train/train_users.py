"""The users that a training learns from, and those it is validated on."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from deeper.behaviour.load import load_windows
from deeper.behaviour.splits import part, some_of_each_domain
from deeper.behaviour.users import key_of
from deeper.commands.train.settings import BehaviourTrainingSettings
from deeper.errors import UserError
from deeper.learning.examples.user_windows import UserWindows, prefixes_by_domain


@dataclass(frozen=True)
class Users:
    """The users of a training.

    Attributes:
        train: Users to learn from.
        validation: Users to validate on; no training learns from them.
    """

    train: Sequence[UserWindows]
    validation: Sequence[UserWindows]

    @property
    def digest(self) -> str:
        """Identifies the users and their ratings; 16 hexadecimal digits."""
        digest = blake2b(digest_size=8)
        for user in (*self.train, *self.validation):
            rated = [[(item["title"], item["rating"]) for item in window] for window in user.windows]
            digest.update(repr((user.domain, user.user, rated)).encode())
        return digest.hexdigest()


def users_of(settings: BehaviourTrainingSettings) -> Users:
    """Choose the train and validation users that the settings ask for, by a hash of their ids.

    Raises:
        UserError: The data cannot be read, holds no train users or no validation users, or a user is in two splits.
    """
    loaded = load_windows(",".join(settings.data), settings.domains, settings.items)
    windows: dict[tuple[str, str], list[Any]] = {}
    for row in loaded.windows.to_pylist():
        if row["split"] == "train":
            windows.setdefault(key_of(row), []).append(row["items"])
    found = {
        key: UserWindows(loaded.domains[key[0]], key[1], listed) for key, listed in windows.items() if len(listed) > 1
    }
    folds = ("a", "b") if settings.fold == "all" else (settings.fold,)

    def some(parts: Sequence[str], count: int) -> list[UserWindows]:
        return [found[key] for key in some_of_each_domain((key for key in found if part(*key) in parts), count)]

    users = Users(some(folds, settings.users), some(("validation",), settings.validation_users))
    for name, chosen in (("train", users.train), ("validation", users.validation)):
        if not prefixes_by_domain(chosen):
            raise UserError(
                f"there are no {name} users", where=", ".join(settings.data),
                do="give data whose train users have two windows or more, or another --fold",
            )  # fmt: skip
    return users
