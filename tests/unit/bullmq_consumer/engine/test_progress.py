"""What of a job's reports is sent, and when."""

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bullmq_consumer.engine.progress import ProgressStream
from sandbox.processes import PATIENCE_S
from tests.support.jumping_clock import without_waiting
from tests.support.stopwatch import Stopwatch


class Sent:
    """What a stream sent, and when by the loop's clock."""

    def __init__(self, answers_after_s: float = 0) -> None:
        self.percents: list[int] = []
        self.times: list[float] = []
        self._answers_after_s = answers_after_s

    def __call__(self, progress: str) -> asyncio.Future[None]:
        self.percents.append(int(progress))
        self.times.append(asyncio.get_running_loop().time())
        return asyncio.ensure_future(asyncio.sleep(self._answers_after_s))


def stream_of(sent: Sent) -> ProgressStream:
    return ProgressStream(sent, _unexpected)


def _unexpected(error: BaseException) -> None:
    raise error


def put(stream: ProgressStream, *percents: int) -> None:
    for percent in percents:
        stream.put(str(percent))


async def test_few_events_are_all_sent_at_once() -> None:
    sent = Sent()
    put(stream_of(sent), 0, 10, 40)
    await asyncio.sleep(0.05)
    assert sent.percents == [0, 10, 40]


@without_waiting
async def test_the_first_four_go_out_and_then_the_newest_a_second_later() -> None:
    sent = Sent()
    stream = stream_of(sent)
    put(stream, *range(50))
    await asyncio.sleep(0.1)
    assert sent.percents == [0, 1, 2, 49]  # the fourth place is for whatever is newest by then
    put(stream, *range(50, 90))
    await asyncio.sleep(0.5)
    assert len(sent.percents) == 4
    await asyncio.sleep(0.6)
    assert sent.percents == [0, 1, 2, 49, 89]
    assert sent.times[4] - sent.times[0] == pytest.approx(1)


async def test_the_end_sends_the_newest_and_does_not_wait_for_answers() -> None:
    sent = Sent(answers_after_s=60)
    stream = stream_of(sent)
    put(stream, *range(9))
    watch = Stopwatch()
    stream.end()
    assert watch.seconds() < 0.5
    assert sent.percents == [0, 1, 2, 8]
    await asyncio.sleep(0.02)
    assert len(sent.percents) == 4  # none twice


async def test_the_end_waits_for_events_whose_time_has_just_come() -> None:
    sent = Sent()
    stream = stream_of(sent)
    put(stream, 0)
    ended: list[list[int]] = []

    async def end() -> None:
        stream.end()
        ended.append([*sent.percents])

    # Both are due in the same turn of the loop; it begins before what the stream sends then.
    asyncio.get_running_loop().call_later(0.004, lambda: asyncio.ensure_future(end()))
    time.sleep(0.02)  # noqa: ASYNC251
    await asyncio.sleep(0.02)
    assert ended == [[0]]


async def test_after_four_in_a_second_the_end_is_a_fifth() -> None:
    sent = Sent()
    stream = stream_of(sent)
    put(stream, 0, 1, 2, 3)
    await asyncio.sleep(0.05)
    put(stream, 99, 100)
    stream.end()
    assert sent.percents == [0, 1, 2, 3, 100]


async def test_the_end_of_a_job_that_reported_nothing() -> None:
    sent = Sent()
    stream_of(sent).end()
    assert sent.percents == []


@without_waiting
async def test_while_redis_does_not_answer_at_most_four_wait() -> None:
    sent, answer = Sent(), asyncio.Event()

    def send(progress: str) -> asyncio.Future[Any]:
        sent(progress)
        return asyncio.ensure_future(answer.wait())

    stream = ProgressStream(send, _unexpected)
    put(stream, 0)
    await asyncio.sleep(0.1)
    for percent in range(1, 100):
        put(stream, percent)
        await asyncio.sleep(0.02)
    assert sent.percents == [0]
    answer.set()
    async with asyncio.timeout(PATIENCE_S):
        while sent.percents[-1] != 99:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert len(sent.percents) == 5
    assert (sent.percents[0], sent.percents[-1]) == (0, 99)


async def test_nothing_is_sent_once_it_is_over() -> None:
    sent = Sent()
    stream = stream_of(sent)
    put(stream, 0)
    stream.end()
    put(stream, 50)
    stream.end()
    await asyncio.sleep(0.05)
    assert sent.percents == [0]


async def test_what_is_dropped_is_not_sent() -> None:
    sent = Sent()
    stream = stream_of(sent)
    put(stream, 0, 1)
    stream.drop()
    stream.end()
    await asyncio.sleep(0.02)
    assert sent.percents == []


async def test_an_event_that_fails_is_told_of_and_the_next_is_sent() -> None:
    errors: list[BaseException] = []
    sent: list[str] = []

    def send(progress: str) -> asyncio.Future[Any]:
        sent.append(progress)
        refused: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        refused.set_exception(ConnectionError("away"))
        return refused

    stream = ProgressStream(send, errors.append)
    put(stream, 0)
    await asyncio.sleep(0.05)
    put(stream, 50)
    await asyncio.sleep(0.05)
    assert sent == ["0", "50"]
    assert [str(one) for one in errors] == ["away", "away"]


@given(pauses=st.lists(st.sampled_from([0.0, 0.0, 0.01, 0.15, 0.3]), min_size=1, max_size=12))
@without_waiting
async def test_never_more_than_four_in_a_second_and_always_in_order(pauses: list[float]) -> None:
    sent = Sent()
    stream = stream_of(sent)
    for percent, pause_s in enumerate(pauses):
        put(stream, percent)
        await asyncio.sleep(pause_s)
    stream.end()
    assert sent.percents == sorted(set(sent.percents))
    assert sent.percents[0] == 0
    assert sent.percents[-1] == len(pauses) - 1
    for earlier, later in zip(sent.times, sent.times[4:-1], strict=False):
        assert later - earlier > 0.99
