"""What a target is, and how what it does to an input is judged.

A reader may take an input or refuse it with a `UserError`. Anything else is a finding: another exception, more than
`LONGEST_SECONDS`, more memory than the process may have, or a *silent change*, a value that differs when it is written
and read again.
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
    """What was written and read again is not what it was."""


class Hang(Exception):
    """A reader took more than `LONGEST_SECONDS` of processor time."""


@dataclass(frozen=True)
class Target:
    """A reader of foreign bytes.

    Attributes:
        name: In results and in the folder of its corpus.
        make: Prepares an empty folder, and gives the function that reads an input.
        seeds: Inputs to start from, for the prepared folder: those that the reader takes, mostly.
    """

    name: str
    make: Callable[[Path], Read]
    seeds: Callable[[Path], Sequence[bytes]]


def judge(read: Read, data: bytes) -> Literal["taken", "refused"]:
    """Feed an input.

    Raises:
        Exception: A finding.
    """
    with _limited():
        try:
            read(data)
        except UserError as error:
            if not (error.what and str(error).isprintable() | ("\n" in str(error))):
                raise SilentChange("an error that says nothing, or not in printable words") from error
            return "refused"
    return "taken"


def same(first: Any, second: Any, what: str) -> None:
    """Demand that what was written and read again is what it was.

    Raises:
        SilentChange: It differs.
    """
    equal = first.equals(second) if isinstance(first, pa.Table) else first == second
    if not equal:
        raise SilentChange(f"{what} differs when it is written and read again")


@contextmanager
def _limited() -> Generator[None]:
    """Raise `Hang` in Python code that takes too long; code that never returns is ended by the driver.

    Processor time counts, so that a busy machine is no finding.
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
