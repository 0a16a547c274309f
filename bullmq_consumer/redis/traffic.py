"""Counts a process's traffic with Redis: the base of all its clients."""

# redis-py types its keyword arguments only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry


@dataclass(slots=True)
class Traffic:
    """The traffic of all clients of this process.

    `commands` counts replies without an error, those within a transaction too; a script is one.
    `answered_at` is when Redis last answered, on the monotonic clock in seconds. `broken` counts
    tries without a reply, of which it is unknown whether Redis executed them.
    """

    commands: int = 0
    answered_at: float = float("-inf")
    broken: int = 0

    def answered(self) -> None:
        """Redis answered a command."""
        self.commands += 1
        self.answered_at = time.monotonic()


TRAFFIC = Traffic()


class CountedRetry(Retry):
    """Counts broken tries. Only clients that bridge outages retry."""

    def pause_s(self, failures: int) -> float:
        """The pause in seconds after so many failures."""
        return self._backoff.compute(failures)

    async def call_with_retry(
        self, do: Callable[[], Awaitable[Any]], fail: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        """As the library does."""

        def counted(*what: Any) -> Any:
            TRAFFIC.broken += 1
            return fail(*what)

        return await super().call_with_retry(do, counted, *args, **options)


class _CountedPipeline(Pipeline):
    async def parse_response(
        self, connection: Connection, command_name: str | bytes, **options: Any
    ) -> Any:
        answer = await super().parse_response(connection, command_name, **options)
        TRAFFIC.answered()
        return answer


class CountedClient(Redis):
    """Counts its commands."""

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """As the library's, counted."""
        pool, callbacks = self.connection_pool, self.response_callbacks
        return _CountedPipeline(pool, callbacks, transaction, shard_hint)

    async def parse_response(
        self, connection: Connection, command_name: str | bytes, **options: Any
    ) -> Any:
        """As the library does."""
        answer = await super().parse_response(connection, command_name, **options)
        TRAFFIC.answered()
        return answer
