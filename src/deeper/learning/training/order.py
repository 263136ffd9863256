"""The order in which a training uses its examples."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from deeper.errors import UserError


class HasLength(Protocol):
    """An example of a training."""

    @property
    def tokens(self) -> int:
        """Length of the sequence."""
        ...


E = TypeVar("E", bound=HasLength)


def in_order(examples: Sequence[E], steps: int, batch: int) -> list[E]:
    """Sort the examples of each step by length, which changes only the padding.

    Args:
        examples: Those of the first step, then those of the second, …
        steps: Optimiser steps.
        batch: Examples in a step.

    Raises:
        UserError: There are more or fewer examples than the steps use.
    """
    if len(examples) != steps * batch:
        raise UserError(f"{len(examples)} examples are not {steps} steps of {batch}")
    parts = [examples[at : at + batch] for at in range(0, len(examples), batch)]
    return [example for part in parts for example in sorted(part, key=lambda example: example.tokens)]
