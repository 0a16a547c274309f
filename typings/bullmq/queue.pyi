from collections.abc import Mapping, Sequence
from typing import Any

from bullmq.job import Job
from redis.asyncio import Redis

class Queue:
    client: Redis
    keys: dict[str, str]
    name: str
    prefix: str
    def __init__(self, name: str, opts: Mapping[str, Any] = ...) -> None: ...
    def toKey(self, type: str) -> str: ...
    async def addBulk(self, jobs: Sequence[dict[str, Any]]) -> list[Job]: ...
    async def remove(self, job_id: str, opts: dict[str, Any] = ...) -> int: ...
