from typing import Any

from bullmq.queue import Queue

class Job:
    id: str
    name: str
    data: Any
    opts: dict[str, Any]
    token: str
    timestamp: int
    attemptsMade: int
    attemptsStarted: int
    failedReason: str | None
    deferredFailure: str | None
    parentKey: str | None
    repeatJobKey: str | None
    def __init__(
        self,
        queue: Queue,
        name: str,
        data: Any,
        opts: dict[str, Any] = ...,
        job_id: str | None = ...,
    ) -> None: ...
    async def moveToDelayed(self, timestamp: int, token: str) -> None: ...
    async def retry(self, state: str = ..., opts: dict[str, Any] = ...) -> None: ...
