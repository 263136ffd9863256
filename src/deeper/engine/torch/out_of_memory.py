"""Split a batch in halves when the GPU runs out of memory."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from deeper.errors import UserError

Member = TypeVar("Member")
Result = TypeVar("Result")

log = logging.getLogger(__name__)


def in_halves(work: Callable[[Sequence[Member]], list[Result]], batch: Sequence[Member]) -> list[Result]:
    """Run a batch; if memory runs out, run each half separately.

    Args:
        work: Returns one result for each member of a batch. It may run again on the same members.
        batch: The members.

    Raises:
        UserError: Not even one member fits into memory.
    """
    try:
        return work(batch)
    except torch.OutOfMemoryError as error:
        if len(batch) < 2:
            raise UserError(
                "the GPU has too little memory for a single prompt",
                do="free the GPU (see nvidia-smi), or choose a smaller model or shorter prompts",
            ) from error
    log.warning("the GPU has too little memory for a batch of %d; running it in halves", len(batch))
    torch.cuda.empty_cache()
    middle = len(batch) // 2
    return in_halves(work, batch[:middle]) + in_halves(work, batch[middle:])
