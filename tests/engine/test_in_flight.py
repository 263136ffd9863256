"""How many requests are in flight, against servers that exist on paper only."""

import asyncio
import heapq
from collections.abc import Callable

import pytest

from deeper.engine.openai.in_flight import FIRST, Gate, InFlight, Sent


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(
    requests: int,
    seconds: Callable[[int], float],
    slots: int = 10_000,
    most: int = 64,
    fixed: int = 0,
    refuses_above: int = 10_000,
) -> tuple[float, InFlight, int]:
    """Send requests to a server, and return the seconds, the number in flight at the end, and the refusals.

    Args:
        requests: How many.
        seconds: Of one request, given how many the server works on.
        slots: How many it works on; the others wait in its queue.
        most: The most requests in flight.
        fixed: A fixed number in flight, to compare with.
        refuses_above: It refuses a request at once if more are in flight.
    """
    clock = Clock()
    in_flight = InFlight(most, clock)
    left, refusals, order = requests, 0, 0
    working: list[tuple[float, int, Sent]] = []  # end, order, sent
    queue: list[Sent] = []
    while left or working or queue:
        while left and len(working) + len(queue) < (fixed or in_flight.allowed):
            in_flight.inside = len(working) + len(queue) + 1
            if in_flight.inside > refuses_above:
                refusals += 1
                in_flight.refused(in_flight.sent())
                break
            left -= 1
            queue.append(in_flight.sent())
        while queue and len(working) < slots:
            order += 1
            sent = queue.pop(0)
            heapq.heappush(working, (clock.now + seconds(len(working) + 1), order, sent))
        clock.now, _, sent = heapq.heappop(working)
        in_flight.answered(sent, tokens=10)
    return clock.now, in_flight, refusals


@pytest.mark.parametrize("slots", [32, 24, 10])
def test_a_wide_server_is_used_nearly_as_well_as_with_the_best_fixed_number(slots: int) -> None:
    best = min(run(2000, lambda n: 0.25, slots, fixed=number)[0] for number in (4, 8, 10, 16, 24, 32, 64))
    adaptive, in_flight, _ = run(2000, lambda n: 0.25, slots)
    assert best / adaptive >= 0.9
    assert slots * 0.8 <= in_flight.allowed <= slots * 1.6


def test_a_server_with_few_slots_is_not_flooded() -> None:
    for slots in (1, 2, 4):
        seconds, in_flight, _ = run(400, lambda n: 2.0, slots)
        assert in_flight.allowed <= 2 * FIRST
        assert seconds == pytest.approx(400 * 2.0 / slots, rel=0.01)


def test_more_are_sent_while_throughput_grows_though_each_takes_longer() -> None:
    # Twice as many at once take 1.4 times as long.
    _, in_flight, _ = run(3000, lambda n: 0.1 * n**0.5)
    assert in_flight.allowed == 64


def test_no_more_are_sent_where_the_server_shares_one_processor() -> None:
    _, in_flight, _ = run(400, lambda n: 0.1 * n)
    assert in_flight.allowed <= 2 * FIRST


def test_refusals_teach_how_many_the_server_takes() -> None:
    _, in_flight, refusals = run(2000, lambda n: 0.25, refuses_above=10)
    assert 6 <= in_flight.allowed <= 12
    assert refusals < 40


@pytest.mark.parametrize("most", [1, 2, 5])
def test_the_most_is_never_exceeded(most: int) -> None:
    _, in_flight, _ = run(200, lambda n: 0.1, most=most)
    assert in_flight.allowed == most


def test_refusals_halve_the_number_once_for_all_that_were_in_flight() -> None:
    clock = Clock()
    in_flight = InFlight(64, clock)
    for sent in (1.0, 1.0, 1.0):
        clock.now = 2.0
        in_flight.refused(Sent(sent, True))
    assert in_flight.allowed == FIRST // 2
    for sent in (2.0, 3.0, 4.0):
        clock.now = sent + 0.5
        in_flight.refused(Sent(sent, True))
    assert in_flight.allowed == 1


def test_a_pause_forgets_nothing() -> None:
    _, in_flight, _ = run(2000, lambda n: 0.25, slots=32)
    served = in_flight.allowed
    in_flight.begin()
    assert in_flight.allowed == served


def test_the_gate_lets_requests_through_in_order_and_no_more_than_are_allowed() -> None:
    async def session() -> tuple[list[int], int, int]:
        in_flight = InFlight(3)
        gate, inside, most, order = Gate(in_flight), 0, 0, list[int]()

        async def request(number: int) -> None:
            nonlocal inside, most
            async with gate:
                order.append(number)
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.001)
                inside -= 1

        await asyncio.gather(*(request(number) for number in range(20)))
        return order, most, in_flight.inside

    assert asyncio.run(session()) == (list(range(20)), 3, 0)


def test_a_cancelled_request_leaves_its_place_to_others() -> None:
    async def session() -> None:
        gate = Gate(InFlight(1))

        async def request() -> None:
            async with gate:
                await asyncio.sleep(10)

        held, waiting = asyncio.create_task(request()), asyncio.create_task(request())
        await asyncio.sleep(0)
        for task in (waiting, held):
            task.cancel()
        await asyncio.gather(held, waiting, return_exceptions=True)
        async with asyncio.timeout(1), gate:
            pass

    asyncio.run(session())


def test_many_small_batches_learn_as_well_as_a_large_one() -> None:
    clock = Clock()
    in_flight = InFlight(64, clock)
    rounds: list[int] = []
    for _ in range(8):  # batches of 16 requests, to a server that answers each after a second
        in_flight.begin()
        left, working, took = 16, list[Sent](), 0
        while left or working:
            while left and len(working) < in_flight.allowed:
                in_flight.inside = len(working) + 1
                working.append(Sent(clock.now, False))
                left -= 1
            working = [Sent(sent.at, len(working) >= in_flight.allowed) for sent in working]
            clock.now, took = clock.now + 1, took + 1
            for sent in working:
                in_flight.answered(sent, 10)
            working = []
        rounds.append(took)
    assert rounds[0] > 1 and rounds[-3:] == [1, 1, 1]
