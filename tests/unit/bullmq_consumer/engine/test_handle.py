"""What a running job keeps in Redis."""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from typing import Any, Self, cast

import pytest
from redis.exceptions import OutOfMemoryError

from bullmq_consumer.engine.handle import LiveHandle
from bullmq_consumer.health.log_throttle import LogThrottle
from bullmq_consumer.new_job import JobDefaults, NewJob
from bullmq_consumer.protocol.job import read_job
from bullmq_consumer.safety.durable_writes import DurableWrites
from bullmq_consumer.safety.leases import Lease
from bullmq_consumer.scripts.queue_scripts import Hold, QueueScripts
from core.errors import LockLost


class Scripts:
    """Keeps the last checkpoint; answers with what `answers` holds, each when it is let go."""

    def __init__(self, *answers: Hold | Exception) -> None:
        self.answers = list(answers)
        self.kept: Any = None
        self.sent: list[tuple[str, str]] = []
        self.go = asyncio.Event()
        self.go.set()

    async def save_checkpoint(self, job_id: str, token: str, text: str, before: str) -> Hold:
        self.sent.append((before, text))
        await self.go.wait()
        answer = self.answers.pop(0) if self.answers else Hold.OURS
        if isinstance(answer, Exception):
            raise answer
        if answer is Hold.OURS:
            self.kept = json.loads(text)
        return answer


class FullQueue:
    """BullMQ's queue on a Redis that refuses all; `asked` is set once it did."""

    def __init__(self) -> None:
        self.client = self
        self.asked = asyncio.Event()

    async def called(self, name: str | None) -> Self:
        return self

    def toKey(self, name: str) -> str:
        return name

    def pipeline(self, *, transaction: bool) -> Self:
        assert not transaction
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def hmget(self, *_: str) -> None:
        pass

    async def execute(self) -> None:
        self.asked.set()
        raise OutOfMemoryError("OOM")


def handle_with(scripts: Scripts, queue: FullQueue | None = None) -> tuple[LiveHandle, Lease]:
    async def hold() -> Hold:
        return Hold.OURS

    lease = Lease("j", hold, lambda: None, 0.0, lambda: 0.0)
    job = read_job({}, "j", "t", 0.0)
    writes = DurableWrites(cast("QueueScripts", scripts), LogThrottle("Redis"))
    parts: Any = (queue, job, lease, JobDefaults(), scripts, writes, None)
    return LiveHandle(*parts), lease


async def test_a_checkpoint_that_was_refused_for_now_is_saved_later() -> None:
    scripts = Scripts(OutOfMemoryError("OOM"))
    handle, _ = handle_with(scripts)
    await handle.save_checkpoint({"a": 1})
    assert scripts.kept is None
    await handle.flush()
    assert scripts.kept == {"a": 1}


async def test_parts_that_save_side_by_side_leave_the_newest() -> None:
    scripts = Scripts(Hold.OURS, OutOfMemoryError("OOM"))
    scripts.go.clear()
    handle, _ = handle_with(scripts)
    first = asyncio.create_task(handle.save_checkpoint({"a": 1}))
    await asyncio.sleep(0)
    second = asyncio.create_task(handle.save_checkpoint({"a": 1, "b": 2}))
    await asyncio.sleep(0)
    scripts.go.set()
    await asyncio.gather(first, second)
    await handle.flush()
    assert scripts.kept == {"a": 1, "b": 2}


async def test_a_checkpoint_waits_for_none_before_it() -> None:
    scripts = Scripts()
    scripts.go.clear()
    handle, _ = handle_with(scripts)
    saving = [await begun(handle.save_checkpoint({"a": number})) for number in (1, 2, 3)]
    one, two, three = ('{"a": 1}', '{"a": 2}', '{"a": 3}')
    assert scripts.sent == [("", one), (one, two), (two, three)]
    scripts.go.set()
    await asyncio.gather(*saving)
    await handle.flush()
    assert len(scripts.sent) == 3


async def begun(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task of it that has had some turns."""
    task = asyncio.create_task(work)
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def test_checkpoints_of_one_turn_are_one_command() -> None:
    scripts = Scripts()
    handle, _ = handle_with(scripts)
    await asyncio.gather(*(handle.save_checkpoint({"a": number}) for number in (1, 2, 3)))
    assert scripts.sent == [("", '{"a": 3}')]


async def test_a_checkpoint_names_what_redis_has_when_the_last_one_was_refused() -> None:
    scripts = Scripts(Hold.OURS, OutOfMemoryError("OOM"))
    handle, _ = handle_with(scripts)
    for number in (1, 2, 3):
        await handle.save_checkpoint({"a": number})
    one, two, three = ('{"a": 1}', '{"a": 2}', '{"a": 3}')
    assert scripts.sent == [("", one), (one, two), (one, three)]


@pytest.mark.parametrize("held", [Hold.OTHERS, Hold.GONE])
async def test_what_is_refused_for_good_is_left_to_the_newer_delivery(held: Hold) -> None:
    handle, lease = handle_with(Scripts(held))
    with pytest.raises(LockLost):
        await handle.save_checkpoint({"a": 1})
    assert lease.is_lost
    assert lease.refused_checkpoint == '{"a": 1}'


async def test_follow_ups_that_redis_does_not_take_are_given_up_with_the_lock() -> None:
    queue = FullQueue()
    handle, lease = handle_with(Scripts(), queue)
    adding = asyncio.create_task(handle.add_jobs([NewJob("x", "x_1", {}, 3)]))
    await queue.asked.wait()
    lease.lose()
    with pytest.raises(LockLost):
        await adding


class LogScripts(Scripts):
    """Keeps lines, each once `go` is set; refuses all while `error` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.lines: list[str] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None
        self.came = asyncio.Event()

    async def log(self, job_id: str, lines: Sequence[str], keep: int) -> None:
        self.asked.extend(lines)
        await self.go.wait()
        if self.error is not None:
            raise self.error
        self.lines.extend(lines)
        if "last" in lines:
            self.came.set()


async def test_lines_are_on_their_way_before_what_the_job_sends_next() -> None:
    scripts = LogScripts()
    handle, _ = handle_with(scripts)
    for line in ("first", "second"):
        await handle.log(line)
    assert scripts.asked == ["first", "second"]
    scripts.go.set()


async def test_lines_that_wait_for_redis_keep_their_order_and_the_oldest_are_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scripts = LogScripts()
    handle, _ = handle_with(scripts)
    for number in range(3000):
        await handle.log(str(number))
    await handle.log("last")
    scripts.go.set()
    await scripts.came.wait()
    await asyncio.sleep(0)
    kept = [*range(100), *range(2001, 3000)]
    assert scripts.lines == [*map(str, kept), "last"]
    assert caplog.messages == ["Lines lost for the log of job j: 1901 (too many waited for Redis)"]


async def test_lines_that_are_refused_are_told_of_once_and_later_ones_are_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scripts = LogScripts()
    scripts.error = OutOfMemoryError("OOM")
    handle, _ = handle_with(scripts)
    for number in range(150):
        await handle.log(str(number))
    scripts.go.set()
    await asyncio.wait(handle._lines._sending)
    await asyncio.sleep(0)
    assert caplog.messages == ["Lines lost for the log of job j: 150 (OOM)"]
    scripts.error = None
    await handle.log("last")
    await scripts.came.wait()
    assert scripts.lines == ["last"]


async def test_a_job_that_another_worker_has_gets_no_line_of_ours() -> None:
    scripts = LogScripts()
    handle, lease = handle_with(scripts)
    lease.lose()
    await handle.log("Attempt 1 failed")
    assert not scripts.asked
