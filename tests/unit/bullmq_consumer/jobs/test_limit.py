"""The end of an attempt on the event loop: by its limit, on request, or by somebody else."""

import asyncio
from datetime import timedelta

import pytest

from bullmq_consumer.errors import RetryableError
from bullmq_consumer.jobs.limit import Within
from bullmq_consumer.jobs.stop import Stop, StopReason

SOON = timedelta(milliseconds=1)


def a_stop() -> Stop:
    return Stop(asyncio.Event(), lambda: False)


async def for_ever(limit: timedelta | None, stop: Stop) -> None:
    with Within(limit, stop):
        await asyncio.Event().wait()


async def test_a_limit_that_passes_ends_the_block_and_no_more() -> None:
    with pytest.raises(RetryableError, match="longer than"):
        await for_ever(SOON, a_stop())
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_block_within_its_limit_is_left_alone() -> None:
    with Within(timedelta(hours=1), a_stop()):
        await asyncio.sleep(0)


async def test_who_asks_ends_it() -> None:
    stop = a_stop()
    attempt = asyncio.create_task(for_ever(None, stop))
    await asyncio.sleep(0)
    stop.ask(StopReason.REQUESTED)
    with pytest.raises(RetryableError, match="on request"):
        await attempt


async def test_what_is_cancelled_from_outside_too_stays_cancelled() -> None:
    stop = a_stop()
    attempt = asyncio.create_task(for_ever(None, stop))
    await asyncio.sleep(0)
    stop.ask(StopReason.REQUESTED)
    asyncio.get_running_loop().call_soon(attempt.cancel)
    with pytest.raises(asyncio.CancelledError):
        await attempt


async def test_an_error_at_the_limit_is_that_of_the_block() -> None:
    async def failing() -> None:
        with Within(SOON, a_stop()):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise KeyError from None

    with pytest.raises(KeyError):
        await failing()


async def test_a_block_that_asks_and_returns_is_not_cut_off_later() -> None:
    stop = a_stop()
    with Within(None, stop):
        stop.ask(StopReason.REQUESTED)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
