from typing import Any

from bullmq.queue import Queue

class Job:
    timestamp: int

    def __init__(
        self,
        queue: Queue,
        name: str,
        data: Any,
        opts: dict[str, Any] = ...,
        job_id: str | None = ...,
    ) -> None: ...
    async def retry(self, state: str = ..., opts: dict[str, Any] = ...) -> None: ...
