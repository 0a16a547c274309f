"""Everything that a run of chaos consists of, started together and gone together."""

import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from redis.asyncio import Redis

from sandbox.chaos.incidents import Diary
from sandbox.chaos.ledger import Asked, Ledger
from sandbox.chaos.supervisor import SupervisedWorker
from sandbox.chaos.troubled_supabase import TroubledSupabase
from sandbox.distant import Line, distant
from sandbox.processes import LOOPBACK, Process
from sandbox.producer import NodeApp, start_consumer
from sandbox.providers.client import IMAGES
from sandbox.vidfab import VidFab

QUEUE = "vidfab-video-processing"
NEUTRAL = "neutral"
"""The queue of the bare Node worker: Redis fails for both."""

_WORKERS = 2
# A job's options are the app's but for times: minutes of backoff would be minutes of drain.
_BACKOFF_MS = (40, 400)
_DELAY_MS = (100, 1500)
# The provider's usual time for a picture: kills shall find some in flight.
_PICTURE_S = 0.7
# Every so many jobs are added with a delay.
_DELAYED = 0.15
_SETTINGS = {
    "QUEUE_CONCURRENCY": "4",
    "QUEUE_RETRY_DELAY": "300",
    "SHUTDOWN_GRACE_S": "1",
    "LOG_LEVEL": "info",
}


class ChaosApp(NodeApp):
    """The app's producer with short times, that remembers what it added."""

    def __init__(self, redis_url: str, seed: int) -> None:
        super().__init__(redis_url, QUEUE)
        self.asked: list[Asked] = []
        self._random = random.Random(f"{seed} options")

    async def add(
        self,
        name: str,
        data: Mapping[str, Any],
        opts: Mapping[str, Any] | None = None,
        *,
        queue: str | None = None,
    ) -> str:
        job_id = await super().add(name, data, self._hastened(opts or {}), queue=queue)
        self.asked.append(Asked(queue or self.queue, job_id, name))
        return job_id

    def _hastened(self, opts: Mapping[str, Any]) -> dict[str, Any]:
        backoff = {"type": "exponential", "delay": self._random.randint(*_BACKOFF_MS)}
        delay = self._random.randint(*_DELAY_MS) if self._random.random() < _DELAYED else 0
        return {**opts, "backoff": backoff, **({"delay": delay} if delay else {})}


class Arena:
    """One VidFab on a durable Redis, two workers, a Node worker, and the app that watches.

    Both workers reach Redis and Supabase over the lines `to_redis` and `to_supabase`, the latter
    at `supabase_url`.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.diary = Diary()
        self.ledger = Ledger()
        self.vidfab = VidFab(plain=True, appendonly=True)
        self.supabase = TroubledSupabase(self.vidfab.supabase)
        self.app = ChaosApp(self.vidfab.redis.url, seed)
        self.redis = Redis(host=LOOPBACK, port=self.vidfab.redis.port)
        self.to_redis, self.to_supabase = Line(0), Line(0)
        self.supabase_url = ""
        self.workers: list[SupervisedWorker] = []
        self.node: Process | None = None
        self._folder = folder
        self._parts = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._parts.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._parts.aclose()

    def look(self) -> Ledger:
        """The ledger with all events that have come."""
        self.ledger.take(self.app.events)
        return self.ledger

    def is_idle(self, job_id: str) -> bool:
        """Whether all additions under this id have been seen, and their ends too."""
        ledger = self.look()
        added = sum(one.job_id == job_id for one in self.app.asked)
        seen = ledger.of(job_id)
        duplicates = ledger.duplicates[QUEUE, job_id]
        return len(seen) + duplicates >= added and not any(run.is_open for run in seen)

    async def unfinished(self) -> int:
        """How many jobs Redis holds that are not at their end, on both queues."""
        open_states = ("waiting", "prioritized", "active", "delayed", "paused", "waiting-children")
        counts = [await self.app.counts(queue=queue) for queue in (QUEUE, NEUTRAL)]
        return sum(count.get(state, 0) for count in counts for state in open_states)

    async def _start(self) -> None:
        enter = self._parts.enter_async_context
        await enter(self.vidfab)
        await enter(self.supabase)
        await enter(self.app)
        self._parts.push_async_callback(self.redis.aclose)
        for queue in (QUEUE, NEUTRAL):
            await self.app.observe("0-0", queue=queue)
        self.node = await start_consumer(
            self.vidfab.redis.url, NEUTRAL, self._folder, concurrency=2
        )
        self._parts.push_async_callback(self.node.kill)
        await self.vidfab.providers.control.delay(IMAGES, _PICTURE_S)
        settings = await self._settings()
        for number in range(1, _WORKERS + 1):
            worker = SupervisedWorker(f"worker {number}", settings, self._folder, self.diary)
            self.workers.append(await enter(worker))

    async def _settings(self) -> dict[str, str]:
        """Those of workers at the end of both lines."""
        enter = self._parts.enter_async_context
        redis = await enter(distant(self.vidfab.redis.port, self.to_redis))
        supabase_port = urlsplit(self.supabase.url).port
        assert supabase_port is not None
        supabase = await enter(distant(supabase_port, self.to_supabase))
        self.supabase_url = f"http://{LOOPBACK}:{supabase}"
        own = {
            **self.vidfab.providers.environment,
            **_SETTINGS,
            "SUPABASE_URL": self.supabase_url,
            "BULLMQ_REDIS_URL": f"redis://{LOOPBACK}:{redis}",
        }
        return self.vidfab.settings(QUEUE, **own)
