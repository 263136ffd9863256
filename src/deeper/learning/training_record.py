"""What the card of an adapter says about its training."""

from typing import Any

from pydantic import Field, ValidationError

from deeper.engine.adapter import Adapter
from deeper.errors import UserError
from deeper.storage.frozen_values import FrozenValues


class TrainingRecord(FrozenValues):
    """The content of `provenance` in an adapter's card; cards of earlier versions lack some fields.

    Attributes:
        settings: Settings of the training.
        recipes: Numbers that are not settings, by the name of the recipe (`deeper.storage.provenance`).
        code: Hash of the code that it began with, and of each other code that continued it.
        provenance: Commit, versions and machine (`deeper.storage.provenance`).
        seed: Seed of everything random.
        steps: Optimiser steps.
        pairs: Preference pairs that a DPO training used.
        users: Number of train users by domain.
        policy_adapter: Digest of the adapter that a DPO training continued from; empty without one.
        before: The training that this one continued from.
    """

    settings: dict[str, Any] = Field(default_factory=dict)
    recipes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    code: list[str] = Field(default_factory=list)
    provenance: dict[str, Any] = Field(default_factory=dict)
    seed: int | None = None
    steps: int | None = None
    pairs: int | None = None
    users: dict[str, int] = Field(default_factory=dict)
    policy_adapter: str = ""
    before: "TrainingRecord | None" = None

    @property
    def all_trainings(self) -> list["TrainingRecord"]:
        """The training runs that led to the adapter, the first one first."""
        return [*(self.before.all_trainings if self.before else ()), self]

    def as_card(self) -> dict[str, Any]:
        """The fields that were given, for `deeper.engine.adapter.write_card`."""
        return self.model_dump(mode="json", exclude_unset=True)


def training_record(adapter: Adapter) -> TrainingRecord:
    """Read the record in an adapter's card.

    Raises:
        UserError: The card holds something else.
    """
    try:
        return TrainingRecord.model_validate(dict(adapter.provenance))
    except (ValidationError, RecursionError) as error:
        raise UserError(
            f"the adapter's card does not describe a training ({str(error).splitlines()[0]})",
            where=str(adapter.folder),
            do="copy the adapter's folder again, or train it again",
        ) from error
