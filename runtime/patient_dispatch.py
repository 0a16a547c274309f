"""The first jobs wait for what all of them need; the event loop does not."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from config.redaction import Redact
from core.alert import Tell
from core.context import QueueLink
from core.registry import JobSpec
from runtime.delivery import Delivery
from runtime.dispatch import Dispatcher, Done
from runtime.outcome import Fail, FailLater, Outcome
from services.bundle import Services


class PatientDispatcher(Dispatcher):
    """Begins no job before `loaded` is set.

    Without it a handler would import the libraries, or wait for the thread that does, on the event
    loop. If they cannot be loaded the worker stops: the job is handed back with no attempt burnt.
    """

    def __init__(
        self,
        specs: Mapping[str, JobSpec],
        services: Services,
        work_folder: Callable[[], Path | None],
        tell: Tell,
        scrub: Redact,
        *,
        loaded: asyncio.Event,
    ) -> None:
        super().__init__(specs, services, work_folder, tell, scrub)
        self._loaded = loaded

    async def run(
        self, delivery: Delivery, link: QueueLink, stopping: asyncio.Event
    ) -> Done | Outcome:
        """As the dispatcher's."""
        await self._loaded.wait()
        return await super().run(delivery, link, stopping)

    async def settle(self, delivery: Delivery, link: QueueLink, reason: str) -> Fail | FailLater:
        """As the dispatcher's."""
        await self._loaded.wait()
        return await super().settle(delivery, link, reason)
