"""Tells each kind of warning once in a run, and how many there were at its end.

A kind is the text of a warning before its numbers and names are filled in.
"""

import logging
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

PACKAGE = __name__.partition(".")[0]


@contextmanager
def joined_warnings() -> Generator[None]:
    """Pass on the first warning of each kind that the package logs in the block; at the end, tell how many there were.

    Within another such block it does nothing, since that one counts.
    """
    logger = logging.getLogger(PACKAGE)
    if any(isinstance(handler, _Joining) for handler in logger.handlers):
        yield
        return
    joining = _Joining()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(joining)
    try:
        yield
    finally:
        logger.removeHandler(joining)
        logger.propagate = propagate
        joining.tell_counts(logger)


class _Joining(logging.Handler):
    """Passes records on to the handlers above the package, but no second warning of a kind."""

    def __init__(self) -> None:
        super().__init__()
        self._first: dict[tuple[str, str], str] = {}
        self._counts = Counter[tuple[str, str]]()

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING:
            kind = record.name, str(record.msg)
            self._counts[kind] += 1
            if self._counts[kind] > 1:
                return
            self._first[kind] = record.getMessage()
        logging.getLogger().callHandlers(record)

    def tell_counts(self, logger: logging.Logger) -> None:
        for kind, count in self._counts.items():
            if count > 1:
                logger.warning("note: %d times in this run: %s", count, self._first[kind].removeprefix("note: "))
