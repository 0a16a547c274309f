"""A small application on the consumer, as a program: no database, no providers, nothing of VidFab.

    python -m tests.support.small_app REDIS_URL QUEUE [CONCURRENCY [STALLED_EVERY_S]]

A job's data say what becomes of it: `{"retry": "why"}`, `{"refuse": "why"}`, `{"sleep": seconds}`,
`{"later": seconds}`, `{"log": [lines]}`, `{"children": true}`, `{"no_json": true}`,
`{"cancel": true}`, `{"until_stop": true}`, `{"limit": ms, "times": 1}` for the whole queue; all
else is given back.
Jobs called `unique` release their ids.
"""

import asyncio
import logging
import sys
from datetime import timedelta
from typing import Any

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.engine.consumer import Consumer
from bullmq_consumer.errors import RequeueLater, RetryableError, UnrecoverableError
from bullmq_consumer.health.fitness import Fitness
from bullmq_consumer.options import Options
from bullmq_consumer.outcome import Done, Fail, Outcome, decide
from bullmq_consumer.process.signals import stop_on_signal
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.address import RedisAddress

READY = "Waiting for jobs..."
GRACE = timedelta(seconds=1)


class SmallApp:
    """Runs the jobs of one queue."""

    def __init__(self) -> None:
        self.fitness = Fitness()

    def releases_id(self, name: str) -> bool:
        return name == "unique"

    def hides_retries(self, name: str) -> bool:
        return name == "hidden"

    def schedule_broke(self, schedule: str, reason: str) -> None:
        logging.error("BROKEN %s: %s", schedule, reason)

    async def run(
        self, delivery: Delivery, handle: JobHandle, stopping: asyncio.Event
    ) -> Done | Outcome:
        handle.report({"percent": 0})
        try:
            result = await _work(delivery, handle, stopping)
        except Exception as error:
            return decide(error, is_last_attempt=delivery.is_last_attempt, snoozes=delivery.snoozes)
        handle.report({"percent": 100})
        return Done({"data": result, "checkpoint": delivery.checkpoint})

    async def on_failed(self, delivery: Delivery, handle: JobHandle, reason: str) -> Fail:
        return Fail(reason)


async def _work(delivery: Delivery, handle: JobHandle, stopping: asyncio.Event) -> Any:
    data = delivery.data
    await handle.save_checkpoint({"attempt": delivery.attempts_made + 1})
    for line in data.get("log", []):
        await handle.log(line)
    if data.get("cancel"):
        raise asyncio.CancelledError
    if data.get("no_json"):
        return {1, 2}
    if data.get("children"):
        return [*(await handle.children()).values()]
    if data.get("until_stop"):
        await stopping.wait()
    await asyncio.sleep(data.get("sleep", 0))
    if seconds := data.get("later"):
        raise RequeueLater(timedelta(seconds=seconds))
    if (limit := data.get("limit")) and delivery.snoozes < data.get("times", 1):
        raise RequeueLater(timedelta(milliseconds=limit), "too many requests", whole_queue=True)
    if reason := data.get("retry"):
        raise RetryableError(reason)
    if reason := data.get("refuse"):
        raise UnrecoverableError(reason)
    return data


async def main(url: str, queue: str, concurrency: str = "1", stalled_every_s: str = "30") -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stdout)
    options = Options(
        queue=QueueName(queue),
        redis=RedisAddress(url),
        concurrency=int(concurrency),
        stalled_every=timedelta(seconds=int(stalled_every_s)),
    )
    stop = asyncio.Event()
    stop_on_signal(stop)
    worker = Consumer(options, SmallApp())
    loop = await worker.start()
    print(READY, flush=True)  # noqa: T201 (for whoever started it)
    await stop.wait()
    return 0 if await worker.stop(loop, GRACE) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
