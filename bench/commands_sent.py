"""Counts the Redis commands that one client sends.

Hosts that bill by the command bill those. In `INFO commandstats` they cannot be told from what
scripts do inside of Redis; MONITOR tells them apart.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.asyncio import Redis

from sandbox.redis import RedisServer

Count = Counter[str]
"""Commands by name."""


@asynccontextmanager
async def counting(server: RedisServer) -> AsyncIterator[Count]:
    """Count what is sent from connections that are opened from now on."""
    count: Count = Counter()
    client = Redis.from_url(server.url, decode_responses=True, socket_timeout=None)
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
    await client.aclose()


async def _read(monitor: Any, others: set[str], count: Count) -> None:
    async for one in monitor.listen():
        address = f"{one['client_address']}:{one['client_port']}"
        if one["client_type"] != "lua" and address not in others:
            count[one["command"].split(" ", 1)[0].upper()] += 1
