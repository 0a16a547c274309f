"""Whether the worker still gets at its jobs: the rule, and the loop that follows it.

A worker that cannot fetch although Redis answers will not recover by itself: it must end, so that
its supervisor starts another one. An outage of Redis is no reason: it would be the same for the
next worker. Busy with as many jobs as it may run, a worker has no need to fetch.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from bullmq_consumer.health.log_throttle import LogThrottle
from bullmq_consumer.redis.clients import BLOCK_S, RedisUnreachable

LIMIT = timedelta(minutes=5)
# From when on the worker says so to who asks: whoever stops it in order keeps it from ending hard.
ALARM = timedelta(minutes=2)

_CHECK_S = 5
# A well worker fetches at least once in BLOCK_S. Asked only after that, PING costs nothing on a
# Redis that is billed by the command.
_QUIET_S = BLOCK_S + 10


class Fetching(Protocol):
    """What the consumer shows of itself."""

    @property
    def last_fetch(self) -> float:
        """When Redis last answered a fetch, on the monotonic clock in seconds."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether as many jobs run as may."""
        ...


@dataclass(frozen=True, slots=True)
class Signs:
    """When each was last seen, on one monotonic clock in seconds."""

    fetch: float
    full: float
    silence: float
    """Redis left a PING unanswered."""


def is_quiet(signs: Signs, now: float) -> bool:
    """Whether it is time to ask if Redis answers at all."""
    return now - max(signs.fetch, signs.full) > _QUIET_S


def is_starved(signs: Signs, now: float, limit: timedelta = LIMIT) -> bool:
    """Whether nothing was fetched for `limit` though Redis answered and a job would have fitted."""
    return now - max(signs.fetch, signs.full, signs.silence) >= limit.total_seconds()


class LastSigns:
    """The last signs that were seen."""

    def __init__(self) -> None:
        now = time.monotonic()
        self.signs = Signs(now, now, now)

    def is_stuck(self) -> bool:
        """Whether it is time to say that the worker gets at no jobs."""
        return is_starved(self.signs, time.monotonic(), ALARM)


async def until_starved(
    consumer: Fetching,
    ping: Callable[[], Awaitable[None]],
    last: LastSigns,
    *,
    limit: timedelta = LIMIT,
    check_s: float = _CHECK_S,
) -> None:
    """Return once the worker is starved. `ping` raises RedisUnreachable."""
    outage = LogThrottle("No job can be fetched")
    last.signs = LastSigns().signs
    while not is_starved(last.signs, time.monotonic(), limit):
        await asyncio.sleep(check_s)
        last.signs = await _look(consumer, last.signs, ping, outage)


async def _look(
    consumer: Fetching, before: Signs, ping: Callable[[], Awaitable[None]], outage: LogThrottle
) -> Signs:
    now = time.monotonic()
    full = now if consumer.is_full else before.full
    signs = replace(before, fetch=consumer.last_fetch, full=full)
    if not is_quiet(signs, now):
        outage.recovered()
        return signs
    try:
        await ping()
    except RedisUnreachable as error:
        outage.failure(error)
        return replace(signs, silence=time.monotonic())
    return signs
