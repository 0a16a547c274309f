"""The leases of all that one worker runs, renewed together."""

import time
from collections.abc import Awaitable, Callable, Collection, Generator
from contextlib import contextmanager

from runtime.delivery import DeliveryKey
from runtime.lasting import LastingWrites
from runtime.lease import Lease
from runtime.scripts import Hold, QueueScripts

Extend = Callable[[list[str], list[str], int], Awaitable[Collection[str]]]
"""The library's renewal of job ids, their tokens, and milliseconds; returns those it refused."""


class Leases:
    """Of one worker."""

    def __init__(self, scripts: QueueScripts, writes: LastingWrites, extend: Extend) -> None:
        self._scripts = scripts
        self._writes = writes
        self._extend = extend
        self._held: dict[DeliveryKey, Lease] = {}

    @contextmanager
    def held(
        self, key: DeliveryKey, locked_at: float, on_loss: Callable[[], None]
    ) -> Generator[Lease]:
        """The hold on a job that was taken at `locked_at`, renewed meanwhile.

        Whoever asks for it while Redis takes no writes waits, and burns no attempt.
        """

        async def ask() -> Hold:
            return await self._writes.until_taken(lambda: self._scripts.hold(*key))

        lease = Lease(key[0], ask, on_loss, locked_at)
        self._held[key] = lease
        try:
            yield lease
        finally:
            lease.end()
            del self._held[key]

    def of(self, job_ids: Collection[str]) -> list[Lease]:
        """Those of these jobs; one may have an older and a newer delivery here."""
        return [lease for lease in self._held.values() if lease.job_id in job_ids]

    async def renew(self, job_ids: list[str], tokens: list[str], duration: int) -> list[str]:
        """Renew locks for `duration` ms, or take them again; returns the ids that others have."""
        asked_at = time.monotonic()
        failed = set(await self._extend(job_ids, tokens, duration))
        lost: list[str] = []
        for key in zip(job_ids, tokens, strict=True):
            if key[0] in failed and await self._scripts.hold(*key) is not Hold.OURS:
                lost.append(key[0])
            elif key in self._held:
                self._held[key].confirm(asked_at)
        return lost
