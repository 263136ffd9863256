"""A fuzzing target, and what counts as a finding.

A reader may take an input or refuse it with a `UserError`. Anything else is a finding: another exception, more than
`LONGEST_SECONDS`, more memory than allowed, or a *silent change*. That is a value that differs when it is written and
read again.
"""

import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from deeper.errors import UserError

LONGEST_SECONDS = 10
Read = Callable[[bytes], None]


class SilentChange(Exception):
    """A value differs when it is written and read again."""


class Hang(Exception):
    """A reader took more than `LONGEST_SECONDS` of processor time."""


@dataclass(frozen=True)
class Target:
    """A reader of foreign bytes.

    Attributes:
        name: Its name in results, and of its corpus folder.
        make: Prepares an empty folder, and returns the function that reads an input.
        seeds: Returns inputs to start from, for the prepared folder; most of them are valid.
    """

    name: str
    make: Callable[[Path], Read]
    seeds: Callable[[Path], Sequence[bytes]]


def feed(read: Read, data: bytes) -> Literal["taken", "refused"]:
    """Feed an input to a reader, and return what it did.

    Raises:
        Exception: The input is a finding.
    """
    with _limited():
        try:
            read(data)
        except UserError as error:
            if not (error.what and str(error).isprintable() | ("\n" in str(error))):
                raise SilentChange("an error message that is empty or not printable") from error
            return "refused"
    return "taken"


def same(first: Any, second: Any, what: str) -> None:
    """Check that a value is the same after it was written and read again.

    Raises:
        SilentChange: It differs.
    """
    equal = first.equals(second) if isinstance(first, pa.Table) else first == second
    if not equal:
        raise SilentChange(f"{what} differs when it is written and read again")


@contextmanager
def _limited() -> Generator[None]:
    """Raise `Hang` in Python code that takes too long. The driver kills code that never returns.

    It measures processor time, so a busy machine causes no finding.
    """

    def stop(*_: object) -> None:
        raise Hang(f"more than {LONGEST_SECONDS} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
