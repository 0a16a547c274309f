"""BullMQ's worker with what it lacks to lose nothing. With the consumer the only user of bullmq.

- A listener that raises ends neither the main loop nor the lock renewal.
- A lock that ran out while Redis was away is taken again, unless another worker has the job.
- A job's end is written when Redis is back, however long that takes within reason.
- A job that BullMQ fails by itself, because it stalled too often, has its rows settled first.
"""

# bullmq ships no types.
# pyright: basic, reportMissingTypeStubs=false, reportArgumentType=false

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bullmq import Job, Worker
from loguru import logger
from redis.exceptions import RedisError, ResponseError

from runtime.delivery import readable, safe_options
from runtime.lease import Lease
from runtime.repeated_error import RepeatedError
from runtime.scripts import Hold, QueueScripts

# A stalled check that waited longer than this for an answer waited for Redis to come back.
_PROMPT_S = 5
# The client itself bridges 80 s; after this long the job is left to the stalled check.
_END_WITHIN_S = 15 * 60
# Between two questions that Redis refused.
_PAUSE_S = 1.0
_REFUSALS = 3
# The library's scripts that end an attempt, and at which place they take the lock's token.
_ENDS = {"moveToCompleted": 3, "moveToFailed": 3, "moveToDelayed": 3, "retryJob": 2}


class SafeWorker(Worker):
    """The library's worker, over one queue.

    `frees_id` says of a job's name whether a finished one is removed at once. `settle_deferred`
    settles the rows of a job that is to fail; False means that the job went back to the queue.
    `last_fetch` is when Redis last answered a fetch, in seconds on the monotonic clock.
    """

    def __init__(
        self,
        queue: str,
        process: Callable[[Job, str], Awaitable[Any]],
        options: dict[str, Any],
        *,
        scripts: QueueScripts,
        frees_id: Callable[[str], bool],
        settle_deferred: Callable[[Job, str], Awaitable[bool]],
    ) -> None:
        super().__init__(queue, process, options)
        self.leases: dict[str, Lease] = {}
        self.last_fetch = 0.0
        self.repeated_error = RepeatedError("BullMQ reports")
        self._own_scripts = scripts
        self._frees_id = frees_id
        self._settle_deferred = settle_deferred
        self._redis_was_away = False
        self._extend_locks = self.backend.extendLocks
        self.backend.extendLocks = self._renew
        for name, token_place in _ENDS.items():
            setattr(self.backend, name, self._lasting(getattr(self.backend, name), token_place))

    def emit(self, event_name: str, *args: Any, **kwargs: Any) -> None:
        """Call the listeners; one that raises would end the main loop or the lock renewal."""
        for listener in list(self._callbacks.get(event_name, ())):
            try:
                listener(*args, **kwargs)
            except Exception:
                logger.exception("A listener of '{}' failed", event_name)

    def lease(self, job_id: str, token: str, on_loss: Callable[[], None]) -> Lease:
        """The hold on a job that was just taken, renewed while it is in `leases`."""
        lease = Lease(job_id, lambda: self._own_scripts.hold(job_id, token), on_loss)
        self.leases[job_id] = lease
        return lease

    async def moveToActive(self, token: str) -> Job | None:
        """Also note that Redis answered, and that it hands out jobs again."""
        job = await self._answered(super().moveToActive(token))
        self.repeated_error.worked()
        return job

    async def waitForJob(self) -> int:
        """Also note that Redis answered."""
        return await self._answered(super().waitForJob())

    async def _answered(self, question: Awaitable[Any]) -> Any:
        try:
            answer = await question
        except ResponseError:
            self.last_fetch = time.monotonic()
            # The library asks again at once, for each free place: Redis may bill every question.
            await asyncio.sleep(_PAUSE_S)
            raise
        self.last_fetch = time.monotonic()
        return answer

    async def nextJobFromJobData(
        self, job_data: dict[str, str] | None = None, *args: Any, **kwargs: Any
    ) -> Job | None:
        """Also read our own fields, and make options safe that would strand the job later."""
        try:
            job = await super().nextJobFromJobData(job_data, *args, **kwargs)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            # It is active already: left alone it would hold a place until it counts as stalled.
            logger.error("A job cannot be decoded and will fail: {}", type(error).__name__)
            job = await super().nextJobFromJobData(readable(job_data or {}), *args, **kwargs)
        if job is not None and job_data is not None:
            job.own_fields = job_data  # pyright: ignore
            job.opts = safe_options(job.opts)
            if self._frees_id(job.name):
                # Here, and so for jobs that the library fails by itself too, when they stall.
                job.opts |= {"removeOnComplete": True, "removeOnFail": True}
        return job

    async def processJob(self, job: Job, token: str) -> Any:
        """Settle the rows of a job that is to fail unasked, before the library fails it."""
        if job.deferredFailure:
            self.lockManager.track_job(job.id, token, _now_ms())
            try:
                if not await self._settle_deferred(job, token):
                    return None
            finally:
                self.lockManager.untrack_job(job.id)
        return await super().processJob(job, token)

    async def runStalledJobsCheck(self) -> None:
        """Look for stalled jobs, but not as the first thing after an outage.

        Locks ran out while Redis was away, and their holders are about to take them again.
        """
        if self._redis_was_away:
            self._redis_was_away = False
            return
        try:
            async with asyncio.timeout(_PROMPT_S):
                await super().runStalledJobsCheck()
        except TimeoutError:
            self._redis_was_away = True

    async def _renew(self, job_ids: list[str], tokens: list[str], duration: int) -> list[str]:
        """Renew locks, or take them again; returns the ids of the jobs that others have."""
        asked_at = time.monotonic()
        failed = set(await self._extend_locks(job_ids, tokens, duration))
        lost: list[str] = []
        for job_id, token in zip(job_ids, tokens, strict=True):
            if job_id in failed and await self._own_scripts.hold(job_id, token) is not Hold.OURS:
                lost.append(job_id)
            elif job_id in self.leases:
                self.leases[job_id].confirm(asked_at)
        return lost

    def _lasting(self, move: Callable[..., Awaitable[Any]], token_place: int) -> Any:
        """The library's script that ends an attempt, run until it took effect.

        Its first argument is the job or its id, and at `token_place` stands the lock's token.
        """

        async def until_done(job: Job | str, *args: Any, **options: Any) -> Any:
            job_id = job if isinstance(job, str) else str(job.id)
            end = _End(job_id, args[token_place - 1], lambda: move(job, *args, **options))
            return await self._until_done(end)

        return until_done

    async def _until_done(self, end: "_End") -> Any:
        give_up_at = time.monotonic() + _END_WITHIN_S
        for refused in range(_REFUSALS):
            while True:
                try:
                    if not refused or await self._is_to_be_written(end):
                        return await end.write()
                    return {"result": None, "finishedOn": 0}
                except (RedisError, OSError) as error:
                    if time.monotonic() > give_up_at:
                        raise
                    self.repeated_error.failed(error)
                    await asyncio.sleep(_PAUSE_S)
                except TypeError:  # the library's way to say that the script refused
                    break
        raise RuntimeError(f"BullMQ refuses to end job {end.job_id}")

    async def _is_to_be_written(self, end: "_End") -> bool:
        """Whether a refused end is still to be written, with the lock taken again.

        It is not when it was written before and only the answer was lost, or when another worker
        has the job.
        """
        held = await self._own_scripts.hold(end.job_id, end.token)
        if held is Hold.OTHERS:
            logger.warning("The attempt at job {} ended, but is no longer ours", end.job_id)
        return held is Hold.OURS


@dataclass(frozen=True, slots=True)
class _End:
    """How an attempt ended, still to be written."""

    job_id: str
    token: str
    write: Callable[[], Awaitable[Any]]


def _now_ms() -> int:
    return round(time.time() * 1000)
