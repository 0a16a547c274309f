import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bullmq.job import Job
from redis.asyncio import Redis

class RedisConnection:
    conn: Redis
    commands: dict[str, Any]
    skipVersionCheck: bool
    minimum_version: str
    async def getRedisVersion(self) -> str: ...

class Backend:
    extendLocks: Callable[[list[str], list[str], int], Awaitable[list[str]]]
    moveToCompleted: Callable[..., Awaitable[Any]]

class LockManager:
    tracked_jobs: dict[str, dict[str, Any]]
    def track_job(self, job_id: str, token: str, ts: int) -> None: ...
    def untrack_job(self, job_id: str) -> None: ...

class Worker:
    id: str
    opts: dict[str, Any]
    backend: Backend
    redisConnection: RedisConnection
    blockingRedisConnection: RedisConnection
    bclient: Redis
    lockManager: LockManager
    jobs: set[tuple[Job, str]]
    paused: bool
    closing: bool
    drained: bool
    limitUntil: int
    waiting: asyncio.Future[int] | None
    _callbacks: dict[str, list[Callable[..., Any]]]
    _client_name_set: bool
    @property
    def minimumBlockTimeout(self) -> float: ...
    @property
    def maximumBlockTimeout(self) -> float: ...
    def __init__(
        self,
        name: str,
        processor: Callable[[Job, str], Awaitable[Any]],
        opts: Mapping[str, Any] = ...,
    ) -> None: ...
    def on(self, event_name: str, listener: Callable[..., Any]) -> None: ...
    def emit(self, event_name: str, *args: Any, **kwargs: Any) -> None: ...
    async def run(self) -> None: ...
    async def close(self, force: bool = ...) -> None: ...
    async def pause(self, do_not_wait_active: bool = ...) -> None: ...
    async def getNextJob(self, token: str) -> Job | None: ...
    async def moveToActive(self, token: str) -> Job | None: ...
    async def nextJobFromJobData(
        self,
        job_data: dict[str, str] | None = ...,
        job_id: str | None = ...,
        limit_until: int = ...,
        delay_until: int = ...,
        token: str | None = ...,
    ) -> Job | None: ...
    async def waitForJob(self) -> int: ...
    def getBlockTimeout(self, block_until: int) -> float: ...
    async def processJob(self, job: Job, token: str) -> Any: ...
    async def runStalledJobsCheck(self) -> None: ...
    async def _scheduleNextIteration(self, job: Job) -> None: ...
