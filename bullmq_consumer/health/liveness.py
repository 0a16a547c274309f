"""Whether the worker still fetches jobs: the rule, and the loop that applies it.

A worker that cannot fetch although Redis answers will not recover by itself: it must exit, so that
its supervisor starts another one. An outage of Redis is no reason to: the next worker would have it
too. A worker that runs as many jobs as it may need not fetch.
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
# From when on /livez reports it, so that a supervisor can stop the worker in order first.
ALARM = timedelta(minutes=2)

_CHECK_S = 5
# A healthy worker fetches at least once in BLOCK_S. PING is sent only after that, so it costs
# nothing on a Redis that is billed by the command.
_QUIET_S = BLOCK_S + 10


class Fetching(Protocol):
    """The state of a consumer, as far as the rule needs it."""

    @property
    def last_fetch(self) -> float:
        """When Redis last answered a fetch, on the monotonic clock in seconds."""
        ...

    @property
    def is_full(self) -> bool:
        """Whether the maximum number of jobs runs."""
        ...


@dataclass(frozen=True, slots=True)
class Signs:
    """When each was last observed, in seconds on one monotonic clock."""

    fetch: float
    full: float
    silence: float
    """Redis left a PING unanswered."""


def is_quiet(signs: Signs, now: float) -> bool:
    """Whether it is time to check that Redis answers at all."""
    return now - max(signs.fetch, signs.full) > _QUIET_S


def is_starved(signs: Signs, now: float, limit: timedelta = LIMIT) -> bool:
    """Whether nothing was fetched for `limit`, although Redis answered and a slot was free."""
    return now - max(signs.fetch, signs.full, signs.silence) >= limit.total_seconds()


class LastSigns:
    """The last observed signs."""

    def __init__(self) -> None:
        now = time.monotonic()
        self.signs = Signs(now, now, now)

    def is_stuck(self) -> bool:
        """Whether to report that the worker fetches no jobs."""
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
