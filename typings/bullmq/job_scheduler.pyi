from collections.abc import Callable
from typing import Any

from bullmq.job import Job
from bullmq.worker import Worker

class JobScheduler:
    def __init__(
        self,
        queue_or_worker: Worker,
        repeat_strategy: Callable[[int, dict[str, Any]], int | None] = ...,
    ) -> None: ...
    async def upsertJobScheduler(
        self,
        job_scheduler_id: str | None,
        repeat_opts: dict[str, Any] | None,
        job_name: str,
        job_data: Any,
        opts: dict[str, Any],
        *,
        override: bool = ...,
        producer_id: str | None = ...,
    ) -> Job | None: ...
