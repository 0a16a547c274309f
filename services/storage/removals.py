"""Removes uploads that were given up, so that the server does not keep their chunks for a day.

The termination extension of TUS 1.0; Supabase has it (supabase/storage:src/http/routes/tus).
"""

import asyncio
from collections.abc import Mapping
from contextvars import Context

import httpx
from loguru import logger

from core.errors import ProviderDown, ServiceError
from services.net.circuit import Circuit
from services.net.http import with_retries
from services.storage.objects import exchange
from services.supabase.client import ATTEMPTS

# A worker that stops waits no longer.
_LAST_WAIT_S = 0.3


class Removals:
    """Those under way, each beside the job that gave its upload up: a cancelled job ends at once.

    Best effort: what cannot be removed expires.
    """

    def __init__(
        self, client: httpx.AsyncClient, circuit: Circuit, headers: Mapping[str, str]
    ) -> None:
        self._client = client
        self._circuit = circuit
        self._headers = headers
        self._under_way: set[asyncio.Task[None]] = set()

    def begin(self, location: httpx.URL) -> None:
        """Remove the upload at `location`, which is known to nobody else."""
        # In a context without the job: it may have lost its lock, and could change nothing.
        removal = asyncio.create_task(self._remove(location), context=Context())
        self._under_way.add(removal)
        removal.add_done_callback(self._under_way.discard)

    async def aclose(self) -> None:
        """Wait a moment for those under way, then end them."""
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=_LAST_WAIT_S)
        for removal in late:
            removal.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _remove(self, location: httpx.URL) -> None:
        async def once() -> None:
            await exchange(self._client, "DELETE", location, headers=self._headers)

        try:
            # An upload is locked until the server notices that a request was broken off.
            await with_retries(once, attempts=ATTEMPTS, circuit=self._circuit)
        except (ServiceError, ProviderDown) as error:
            logger.debug("An upload that was given up is left to expire: {}", error)
