"""What this worker does to BullMQ's keys by scripts of its own, all of them atomic.

Each begins with `hold.lua`: nothing is written for a job that another worker has.
"""

from datetime import timedelta
from enum import IntEnum
from importlib import resources

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from bullmq_consumer.queue_name import QueueName

LOCK = timedelta(seconds=30)
"""For how long a job stays a worker's without a sign of life, as Node's worker has it."""
MAX_HAND_BACKS = 20
"""To the front of the queue; how often a job is snoozed is limited in outcome.py."""

_TOO_OFTEN = f"The job was handed back more than {MAX_HAND_BACKS} times"


class Hold(IntEnum):
    """What a script found: the job is ours, another worker's, or finished."""

    OTHERS = 0
    OURS = 1
    GONE = 2


class QueueScripts:
    """The scripts of one queue; `lock` is for how long they renew a job's. All raise RedisError."""

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

    async def hold(self, job_id: str, token: str) -> Hold:
        """Renew the lock, or take it again if it ran out and nobody else has the job."""
        return await self._run(self._check_hold, job_id, token)

    async def save_checkpoint(self, job_id: str, token: str, text: str, before: str) -> Hold:
        """Keep `text` in the job's hash, where the next delivery brings it along.

        A job that was given back meanwhile takes it too, if its checkpoint is still `before`.
        """
        return await self._run(self._checkpoint, job_id, token, text, before)

    async def show_progress(self, job_id: str, token: str, progress: str) -> Hold:
        """Publish an event, and keep it with the job."""
        places = ("events", "meta")
        return await self._run(self.progress, job_id, token, progress, places=places)

    async def hide_failure(self, job_id: str, token: str) -> Hold:
        """Remove what an earlier attempt failed with."""
        return await self._run(self._hide_failure, job_id, token)

    async def hand_back(self, job_id: str, token: str) -> Hold:
        """To the front of the job's priority."""
        places = ("wait", "paused", "prioritized", "meta", "marker", "events")
        return await self._run(
            self._hand_back, job_id, token, MAX_HAND_BACKS, _TOO_OFTEN, places=places
        )

    async def snooze(
        self, job_id: str, token: str, counter: str, failure: str | None = None
    ) -> Hold:
        """Count a way back with a delay; with `failure` the next delivery only fails the job."""
        return await self._run(self._snooze, job_id, token, counter, failure or "")

    async def wake(self) -> None:
        """Have one of the workers that wait for jobs look for one."""
        await self._redis.zadd(self.key("marker"), {"0": 0})

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
        keys = [self.key(name) for name in (job_id, "active", "stalled", *places)]
        return Hold(int(await script(keys=keys, args=[job_id, token, self._lock_ms, *more])))


def own_script(redis: Redis, *files: str) -> AsyncScript:
    """A script of this folder, in several files that belong behind each other."""
    folder = resources.files("bullmq_consumer.scripts")
    return redis.register_script(
        "\n".join(folder.joinpath(file).read_text("utf-8") for file in files)
    )
