"""Unknown error codes as Redis keeps them, for `check`: they outlive the worker that met them."""

from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta
from typing import cast

from redis.asyncio import Redis

from bullmq_consumer.queue_name import QueueName

_LIFE = timedelta(days=30)
# A vendor that puts an id into its codes must not fill Redis.
_MOST = 200
_OTHERS = "(others)"
# No service has a space in its name's last part, and no code begins with one.
_BETWEEN = ": "


async def keep(redis: Redis, queue: QueueName, counts: Counter[tuple[str, str]]) -> None:
    """Add to what is kept; all of it is forgotten 30 days after the last. Raises RedisError."""
    key = _key(queue)
    is_full = await redis.hlen(key) >= _MOST
    pipeline = redis.pipeline(transaction=False)
    for (service, code), count in counts.items():
        pipeline.hincrby(key, f"{service}{_BETWEEN}{_OTHERS if is_full else code}", count)
    pipeline.expire(key, _LIFE)
    await pipeline.execute()


async def kept(redis: Redis, queue: QueueName) -> dict[str, dict[str, int]]:
    """How often each code came, by service. Raises RedisError."""
    fields = await cast("Awaitable[dict[str, str]]", redis.hgetall(_key(queue)))
    found: dict[str, dict[str, int]] = {}
    for name, count in fields.items():
        service, _, code = name.partition(_BETWEEN)
        found.setdefault(service, {})[code] = int(count)
    return found


def _key(queue: QueueName) -> str:
    return queue.key("vidfab:unknown-codes")
