"""This worker's own scripts on BullMQ's keys, all of them atomic.

Each that decides about a job begins with `hold.lua`: nothing is written for one that another worker
has. A line in a job's log decides nothing.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from enum import IntEnum
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.pipelined_client import send

LOCK = timedelta(seconds=30)
"""How long a job stays a worker's without a renewal, as with Node's worker."""
MAX_HAND_BACKS = 20
"""How often stops may hand a job back; what else returns it is bounded in outcome.py."""
STOPS = "handBacks"
"""What counts that in the job's hash."""

_TOO_OFTEN = f"The job was handed back more than {MAX_HAND_BACKS} times"


class Hold(IntEnum):
    """Who holds a job, as a script found: this worker, another one, or none, as it is finished."""

    OTHERS = 0
    OURS = 1
    GONE = 2


class QueueScripts:
    """The scripts of one queue; `lock` is how long they renew a job's. All raise RedisError."""

    def __init__(self, redis: Redis, queue: QueueName, lock: timedelta = LOCK) -> None:
        self._redis = redis
        self.key = queue.key
        self.lock = lock
        self._lock_ms = round(lock.total_seconds() * 1000)
        self._check_hold = own_script(redis, "hold.lua", "check_hold.lua")
        self._checkpoint = own_script(redis, "hold.lua", "checkpoint.lua")
        self._hide_failure = own_script(redis, "hold.lua", "hide_failure.lua")
        self._hand_back = own_script(redis, "hold.lua", "hand_back.lua")
        self._snooze = own_script(redis, "hold.lua", "snooze.lua")
        self.progress = own_script(redis, "hold.lua", "progress.lua")
        self.add_log = own_script(redis, "log.lua")

    async def hold(self, job_id: str, token: str) -> Hold:
        """Renew the lock, or take it again if it expired and no other worker has the job."""
        return await self._run(self._check_hold, job_id, token)

    async def save_checkpoint(self, job_id: str, token: str, text: str, before: str) -> Hold:
        """Save `text` in the job's hash, from which the next delivery reads it.

        A job that was handed back meanwhile accepts it too, if its checkpoint is still `before`.
        """
        return await self._run(self._checkpoint, job_id, token, text, before)

    def show_progress(self, job_id: str, token: str, progress: str) -> asyncio.Future[Any]:
        """Publish a progress event, and save it with the job; sent before all that is sent later.

        Its future gets a number of `Hold`.
        """
        keys = self._keys(job_id, ("events", "meta"))
        return send(self.progress, keys, [job_id, token, self._lock_ms, progress])

    async def log(self, job_id: str, lines: Sequence[str], keep: int) -> None:
        """Add lines to the job's own log, of which the last `keep` stay; 0 keeps all.

        Several are one command to Redis. A job that is gone gets none.
        """
        keys = [self.key(job_id), self.key(f"{job_id}:logs")]
        await self.add_log(keys=keys, args=[keep, *lines])

    async def hide_failure(self, job_id: str, token: str) -> Hold:
        """Remove the `failedReason` of an earlier attempt."""
        return await self._run(self._hide_failure, job_id, token)

    async def hand_back(self, job_id: str, token: str, counter: str = STOPS) -> Hold:
        """Hand back the job to the front of its priority, and count that.

        One that stops handed back too often is only to be failed by its next delivery.
        """
        most = MAX_HAND_BACKS if counter == STOPS else 0
        places = ("wait", "paused", "prioritized", "meta", "marker", "events")
        return await self._run(
            self._hand_back, job_id, token, counter, most, _TOO_OFTEN, places=places
        )

    async def snooze(
        self, job_id: str, token: str, counter: str, failure: str | None = None
    ) -> Hold:
        """Count a hand-back with a delay; with `failure` the next delivery only fails the job."""
        return await self._run(self._snooze, job_id, token, counter, failure or "")

    async def wake(self) -> None:
        """Wake one of the workers that wait for jobs."""
        await self._redis.zadd(self.key("marker"), {"0": 0})

    async def has_jobs_to_take(self) -> bool:
        """Whether a job waits, or is delayed."""
        places = ("wait", "prioritized", "delayed")
        return bool(await self._redis.exists(*[self.key(place) for place in places]))

    async def forget(self, job_id: str, *fields: str) -> None:
        """Remove fields of ours from the job's hash."""
        await self._redis.hdel(self.key(job_id), *fields)

    async def _run(
        self,
        script: AsyncScript,
        job_id: str,
        token: str,
        *more: str | int,
        places: tuple[str, ...] = (),
    ) -> Hold:
        keys = self._keys(job_id, places)
        return Hold(int(await script(keys=keys, args=[job_id, token, self._lock_ms, *more])))

    def _keys(self, job_id: str, places: tuple[str, ...]) -> list[str]:
        return [self.key(name) for name in (job_id, "active", "stalled", *places)]


def own_script(redis: Redis, *files: str) -> AsyncScript:
    """A script of this folder, made of several files in this order."""
    folder = resources.files("bullmq_consumer.scripts")
    return redis.register_script(
        "\n".join(folder.joinpath(file).read_text("utf-8") for file in files)
    )
