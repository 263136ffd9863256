"""Whose silence counts, and from when."""

import asyncio

import pytest

from deeper.engine.openai.silence import Silence


def test_a_request_waits_for_those_sent_before_it_but_not_for_later_ones() -> None:
    async def session() -> None:
        silence = Silence()
        async with silence.limited(60) as first, silence.limited(60) as second, silence.limited(60) as third:
            await asyncio.sleep(0.02)
            silence.heard(second)
            first_since, *others = [silence.since(number) for number in (first, second, third)]
            assert first_since < silence.last_sign
            assert others == [silence.last_sign] * 2

    asyncio.run(session())


def test_the_last_sign_of_a_finished_request_counts_for_those_that_waited_for_it() -> None:
    async def session() -> None:
        silence = Silence()
        first = silence.limited(60)
        number = await first.__aenter__()
        async with silence.limited(60) as second:
            await asyncio.sleep(0.02)
            silence.heard(number)
            await asyncio.sleep(0.02)
            await first.__aexit__(None, None, None)
            assert silence.since(second) == silence.last_sign > float("-inf")

    asyncio.run(session())


def test_silence_ends_a_request_and_signs_put_that_off() -> None:
    async def session() -> int:
        silence, signs = Silence(), 0
        with pytest.raises(TimeoutError):
            async with silence.limited(1.0) as number:
                for _ in range(4):
                    await asyncio.sleep(0.3)
                    silence.heard(number)
                    signs += 1
                await asyncio.sleep(60)
        return signs

    assert asyncio.run(session()) == 4


def test_a_cancelled_request_is_cancelled_and_not_timed_out() -> None:
    async def session() -> None:
        async with Silence().limited(60):
            await asyncio.sleep(10)

    async def cancelled() -> None:
        task = asyncio.create_task(session())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
