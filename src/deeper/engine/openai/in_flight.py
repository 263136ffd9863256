"""How many requests to send to a server at once: more while that makes it faster, fewer when it refuses some.

The number doubles as long as the server's throughput grows with it. After the first number that did not help, it
grows by a quarter at a time, with growing pauses. A refusal halves it. Throughput follows from Little's law: requests
in flight, divided by the mean seconds of a request. That needs no counting over time, in which answers that come in
bursts would mislead.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

FIRST = 4
"""Requests in flight at the beginning."""
FEWEST_ANSWERS = 4
"""A throughput is measured on this many answers, or on half of the number in flight if that is more."""
LEAST_SHARE = 0.2
"""A larger number stays if throughput grows by this share of its growth: doubled, it must bring a fifth."""
STEP = 0.25
"""Growth after the first number that did not help."""
LONGEST_PAUSE = 64
"""Measurements between two attempts at a larger number, at most."""


@dataclass(frozen=True)
class Sent:
    """A request in flight.

    Attributes:
        at: When it was sent.
        is_full: Whether as many were in flight then as are allowed. Only then its time tells about that number.
    """

    at: float
    is_full: bool


class InFlight:
    """The number of requests of one kind in flight, from what the server does. Other kinds have another throughput.

    Attributes:
        allowed: The number now.
        inside: How many are in flight.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start low.

        Args:
            most: The most requests in flight.
            clock: Gives seconds.
        """
        self._most, self._clock = most, clock
        self.allowed = self._proven = min(FIRST, most)
        self.inside = 0
        self._throughput: float | None = None
        self._since: float | None = None
        self._is_steep, self._pause, self._paused = True, 1, 0
        self._shrunk = clock()
        self.begin()

    def begin(self) -> None:
        """Begin to measure: after the number changed, or after a pause in which nothing was in flight."""
        self._began, self._since = self._clock(), None
        self._answers, self._tokens, self._seconds = 0, 0, 0.0

    def sent(self) -> Sent:
        """Note that a request is sent; `inside` counts it already."""
        return Sent(self._clock(), self.inside >= self.allowed)

    def answered(self, sent: Sent, tokens: int) -> None:
        """Count an answer.

        Args:
            sent: The note of its request.
            tokens: Its length.
        """
        if self._since is None and sent.at >= self._began:
            # Those sent at once when the number grew found shorter queues than those sent from now on.
            self._since = self._clock()
        if self._since is None or sent.at < self._since or not sent.is_full:
            return
        self._answers, self._tokens = self._answers + 1, self._tokens + tokens + 1
        self._seconds += self._clock() - sent.at
        if self._answers >= max(FEWEST_ANSWERS, self.allowed // 2):
            self._judge(self.allowed * self._tokens / max(self._seconds, 1e-9))
            self.begin()

    def refused(self, sent: Sent) -> None:
        """Halve the number: the server refused a request or did not answer it. Many refusals at once count as one."""
        if sent.at < self._shrunk:
            return
        self.allowed = self._proven = max(1, self.allowed // 2)
        self._throughput, self._shrunk = None, self._clock()
        self._set_back()
        self.begin()

    def _judge(self, throughput: float) -> None:
        growth = self.allowed / self._proven - 1
        if self._throughput is not None and growth and throughput < self._throughput * (1 + LEAST_SHARE * growth):
            self.allowed = self._proven
            self._set_back()
            return
        if growth:
            self._proven, self._pause = self.allowed, 1
        self._throughput = throughput
        if self._paused:
            self._paused -= 1
        else:
            step = self._proven if self._is_steep else max(1, round(self._proven * STEP))
            self.allowed = min(self._most, self._proven + step)

    def _set_back(self) -> None:
        self._is_steep, self._paused = False, self._pause
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)


class Gate:
    """Lets as many requests of an event loop through as `InFlight` allows, in the order in which they came."""

    def __init__(self, in_flight: InFlight) -> None:
        """Open the gate."""
        self._in_flight = in_flight
        in_flight.inside = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        """Wait until the request may be sent."""
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was let through, and cancelled before it went on
                self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        """Let others through."""
        self._leave()

    def _leave(self) -> None:
        self._in_flight.inside -= 1
        self._admit()

    def _admit(self) -> None:
        while self._queue and self._in_flight.inside < self._in_flight.allowed:
            turn = self._queue.popleft()
            if not turn.done():
                self._in_flight.inside += 1
                turn.set_result(None)
