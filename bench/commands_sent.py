"""Counts the Redis commands that one client sends.

Hosts that bill by the command bill those. In `INFO commandstats` they cannot be told from what
scripts do inside of Redis; MONITOR tells them apart.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

Count = Counter[str]
"""Commands by name."""


@asynccontextmanager
async def counting(client: Any) -> AsyncGenerator[Count]:
    """Count what is sent from connections that are opened from now on.

    `client` is one of redis-py's, without a time-out: MONITOR may be silent for long.
    """
    count: Count = Counter()
    others = {one["addr"] for one in await client.client_list()}
    async with client.monitor() as monitor:
        others |= {one["addr"] for one in await client.client_list()}
        reading = asyncio.create_task(_read(monitor, others, count))
        try:
            yield count
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


async def _read(monitor: Any, others: set[str], count: Count) -> None:
    async for one in monitor.listen():
        address = f"{one['client_address']}:{one['client_port']}"
        if one["client_type"] != "lua" and address not in others:
            count[one["command"].split(" ", 1)[0].upper()] += 1
