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
    """Examples in the order of their use: those of one step by length, which changes nothing but the padding.

    Args:
        examples: Those of the first step, those of the second, …
        steps: Optimiser steps.
        batch: Examples of a step.

    Raises:
        UserError: They are not as many as the steps take.
    """
    if len(examples) != steps * batch:
        raise UserError(f"{len(examples)} examples are not {steps} steps of {batch}")
    parts = [examples[at : at + batch] for at in range(0, len(examples), batch)]
    return [example for part in parts for example in sorted(part, key=lambda example: example.tokens)]
