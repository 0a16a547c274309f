"""Our side's worker: `bullmq_consumer` by its public names, with the processor of driver.mjs."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.engine.consumer import Consumer
from bullmq_consumer.errors import RequeueLater, RetryableError, UnrecoverableError
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.options import Options
from bullmq_consumer.outcome import Done, Fail, Outcome, decide
from bullmq_consumer.protocol.commands import Limit
from bullmq_consumer.protocol.keeping import Keep
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.address import RedisAddress

_GRACE = timedelta(seconds=5)
_CHANCE = 0.5


def _as_it_is(value: Any) -> Any:
    return value


def _limit(value: dict[str, int]) -> Limit:
    return Limit(value["max"], timedelta(milliseconds=value["duration"]))


def _keep(value: dict[str, int]) -> Keep:
    age = timedelta(seconds=value["age"]) if "age" in value else None
    return Keep(count=value.get("count"), age=age, limit=value.get("limit"))


# Of Node's worker options: our name, and how the value is said by it.
_NAMES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "concurrency": ("concurrency", _as_it_is),
    "name": ("name", _as_it_is),
    "maxStalledCount": ("max_stalled", _as_it_is),
    "limiter": ("limit", _limit),
    "removeOnComplete": ("remove_on_complete", _keep),
    "removeOnFail": ("remove_on_fail", _keep),
    "maxStartedAttempts": ("max_started_attempts", _as_it_is),
}


@contextmanager
def no_chance() -> Generator[None]:
    """Python's random numbers as driver.mjs has Node's, for jitter."""
    source: Any = random._inst  # pyright: ignore
    before = random.random
    random.random = source.random = lambda: _CHANCE
    try:
        yield
    finally:
        random.random = before
        del source.random


class Gates:
    """What jobs wait at until a scenario opens it."""

    def __init__(self) -> None:
        self._events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def at(self, name: str) -> asyncio.Event:
        return self._events[name]


class Scripted:
    """The application: a job's data say what becomes of it, as in driver.mjs."""

    def __init__(self, gates: Gates) -> None:
        self.fitness = Fitness()
        self._gates = gates

    def releases_id(self, name: str) -> bool:
        return False

    def hides_retries(self, name: str) -> bool:
        return False

    def schedule_broke(self, schedule: str, reason: str) -> None:
        pass

    async def run(
        self, delivery: Delivery, handle: JobHandle, stopping: asyncio.Event
    ) -> Done | Outcome:
        try:
            return Done(await self._work(delivery, handle))
        except Exception as error:
            return decide(error, is_last_attempt=delivery.is_last_attempt, snoozes=delivery.snoozes)

    async def on_failed(self, delivery: Delivery, handle: JobHandle, reason: str) -> Fail:
        return Fail(reason)

    async def _work(self, delivery: Delivery, handle: JobHandle) -> Any:
        if delivery.fault is not None:
            raise UnrecoverableError(delivery.fault)
        data: dict[str, Any] = delivery.data if isinstance(delivery.data, dict) else {}
        for progress in data.get("progress") or []:
            handle.report(progress)
        for line in data.get("log") or []:
            await handle.log(line)
        if gate := data.get("gate"):
            await self._gates.at(gate).wait()
        await asyncio.sleep(data.get("sleep", 2) / 1000)
        _raise_what_it_says(data, delivery)
        return data.get("return", delivery.attempts_made)


def _raise_what_it_says(data: dict[str, Any], delivery: Delivery) -> None:
    if reason := data.get("unrecoverable"):
        raise UnrecoverableError(reason)
    if delivery.attempts_made < data.get("fail", 0):
        raise RetryableError(data.get("error", "boom"))
    if data.get("requeue") and not delivery.snoozes:
        raise RequeueLater(timedelta(milliseconds=data["requeue"]))
    if data.get("limit") and not delivery.snoozes:
        raise RequeueLater(timedelta(milliseconds=data["limit"]), whole_queue=True)


class OurWorker:
    """One worker over one queue. Made inside of a running event loop."""

    def __init__(self, url: str, queue: str, options: dict[str, Any], gates: Gates) -> None:
        named = {_NAMES[name][0]: _NAMES[name][1](one) for name, one in options.items()}
        place = Options(queue=QueueName(queue), redis=RedisAddress(url), **named)
        self._worker = Consumer(place, Scripted(gates))
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._loop = await self._worker.start()

    async def stop(self) -> None:
        assert self._loop
        await self._worker.stop(self._loop, _GRACE)
