"""When a server has been silent for too long.

A server works on a few requests and lets the others wait, more or less in the order in which they came. So a request
that hears nothing is not lost while an older one is answered. Its silence counts from the last sign of itself or of
any request sent before it. The oldest request has no such excuse, so every request ends some time.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count


class Silence:
    """The last sign of each request in flight. Times are those of the event loop."""

    def __init__(self) -> None:
        """Nothing is in flight, and nothing was heard."""
        self._signs: dict[int, float] = {}
        self._numbers = count()
        self.last_sign = float("-inf")
        """When any request was last answered, in part or in whole."""

    @asynccontextmanager
    async def limited(self, seconds: float) -> AsyncGenerator[int]:
        """Send a request in this context, which gives its number.

        Args:
            seconds: The longest silence.

        Raises:
            TimeoutError: The server was silent for longer.
        """
        loop, number = asyncio.get_running_loop(), next(self._numbers)
        self._signs[number] = loop.time()
        async with asyncio.timeout(None) as limit:

            def check() -> None:
                nonlocal timer
                end = self.since(number) + seconds
                if end <= loop.time():
                    limit.reschedule(loop.time())
                else:
                    timer = loop.call_at(end, check)

            timer = loop.call_later(seconds, check)
            try:
                yield number
            finally:
                timer.cancel()
                self._end(number)

    def heard(self, number: int) -> None:
        """Take a sign of a request's answer."""
        self._signs[number] = self.last_sign = asyncio.get_running_loop().time()

    def since(self, number: int) -> float:
        """When the silence of a request in flight began."""
        return max(sign for other, sign in self._signs.items() if other <= number)

    def _end(self, number: int) -> None:
        last = self._signs.pop(number)
        for other, sign in self._signs.items():
            if other > number:
                self._signs[other] = max(sign, last)
