"""Error codes of services that no table of services/codes names, as counted in this process."""

import asyncio
from collections import Counter

from bullmq_consumer.sanitize.text import one_line

# A vendor that puts an id into its codes must not fill the memory.
_MOST = 100
_LONGEST = 80
_OTHERS = "(others)"


class UnknownCodes:
    """Counts by service and code what was not taken yet. Call it on the event loop."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._came = asyncio.Event()

    def note(self, service: str, code: str) -> None:
        """Count one answer."""
        code = one_line(code, _LONGEST) or _OTHERS
        is_new = (service, code) not in self._counts
        if is_new and len(self._counts) >= _MOST:
            code = _OTHERS
        self._counts[service, code] += 1
        self._came.set()

    async def take(self) -> Counter[tuple[str, str]]:
        """Wait for the first; all that came since the last call."""
        await self._came.wait()
        taken, self._counts = self._counts, Counter()
        self._came.clear()
        return taken

    def put_back(self, counts: Counter[tuple[str, str]]) -> None:
        """Count again what could not be kept."""
        self._counts.update(counts)
        self._came.set()


unknown_codes = UnknownCodes()
"""Those of this process."""
