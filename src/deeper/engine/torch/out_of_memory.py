"""A batch that is too large for the GPU's memory is done in halves."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from deeper.errors import UserError

Member = TypeVar("Member")
Result = TypeVar("Result")

log = logging.getLogger(__name__)


def in_halves(work: Callable[[Sequence[Member]], list[Result]], batch: Sequence[Member]) -> list[Result]:
    """Do a batch; where memory does not suffice, each half of it for itself.

    Args:
        work: Does a batch, with one result for each member; without effects that a second try would repeat.
        batch: What is to be done.

    Raises:
        UserError: Not even one member fits.
    """
    try:
        return work(batch)
    except torch.OutOfMemoryError as error:
        if len(batch) < 2:
            raise UserError(
                "the GPU's memory does not suffice for a single prompt",
                do="free the GPU (see nvidia-smi), or next_tokens a smaller model or shorter prompts",
            ) from error
    log.warning("the GPU's memory does not suffice for a batch of %d: it is done in halves", len(batch))
    torch.cuda.empty_cache()
    middle = len(batch) // 2
    return in_halves(work, batch[:middle]) + in_halves(work, batch[middle:])
