"""Who a training learns from, and who it is judged on."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from deeper.behaviour.load import load_windows
from deeper.behaviour.splits import part, some_of_each_domain
from deeper.commands.train.settings import BehaviourTrainingSettings
from deeper.errors import UserError
from deeper.learning.examples.moments import Person, moments


@dataclass(frozen=True)
class Users:
    """Users of a training.

    Attributes:
        train: To be learnt from.
        validation: To judge by; never learnt from.
    """

    train: Sequence[Person]
    validation: Sequence[Person]

    @property
    def digest(self) -> str:
        """Identifies them and what they have rated; 16 hexadecimal digits."""
        digest = blake2b(digest_size=8)
        for person in (*self.train, *self.validation):
            rated = [[(item["title"], item["rating"]) for item in window] for window in person.windows]
            digest.update(repr((person.domain, person.user, rated)).encode())
        return digest.hexdigest()


def users_of(settings: BehaviourTrainingSettings) -> Users:
    """The train and validation users that the settings ask for, by a hash of their ids.

    Raises:
        UserError: The data cannot be read, holds no train users or no validation users, or a user is in two splits.
    """
    loaded = load_windows(",".join(settings.data), settings.domains)
    windows: dict[tuple[str, str], list[Any]] = {}
    for row in loaded.windows.to_pylist():
        if row["split"] == "train":
            windows.setdefault((row["domain"], row["user"]), []).append(row["items"])
    people = {key: Person(loaded.domains[key[0]], key[1], listed) for key, listed in windows.items() if len(listed) > 1}
    folds = ("a", "b") if settings.fold == "all" else (settings.fold,)

    def some(parts: Sequence[str], count: int) -> list[Person]:
        return [people[key] for key in some_of_each_domain((key for key in people if part(*key) in parts), count)]

    users = Users(some(folds, settings.users), some(("validation",), settings.validation_users))
    for name, chosen in (("train", users.train), ("validation", users.validation)):
        if not moments(chosen):
            raise UserError(
                f"there are no {name} users", where=", ".join(settings.data),
                do="give data with train users of two windows or more, or another --fold",
            )  # fmt: skip
    return users
