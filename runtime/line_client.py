"""The Redis client for a worker's work: one connection, commands in their order."""

# redis-py types its keyword arguments only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import asyncio
from typing import Any

from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from runtime.shared_line import SharedLine
from runtime.traffic import TRAFFIC, CountedClient, CountedRetry


class LineClient(CountedClient):
    """Sends its commands over one line that they share; pipelines take connections of the pool.

    When the line breaks, what is not answered is asked again over a new one, in the same order: so
    it is as good as sent in that order. How often and with which pauses the client's `retry` says.

    `beside` is a client whose connections are as old as the line: they are left too when it falls
    silent.
    """

    beside: CountedClient | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._line: SharedLine | None = None
        self._breaks = 0
        self._is_closed = False
        self._leaving: asyncio.Task[None] | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """As the library does."""
        if NEVER_DECODE in options or EMPTY_RESPONSE in options:  # an answer read in its own way
            return await super().execute_command(*args, **options)
        name, *more = args
        # "CLIENT LIST" is one name.
        answer = await self._answer((*str(name).split(), *more))
        callback = self.response_callbacks.get(name)
        options.pop("keys", None)  # for caches
        return callback(answer, **options) if callback else answer

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Disconnect for good: who still waits for an answer gets a ConnectionError."""
        self._is_closed = True
        if self._line is not None:
            self._line.close()
        await super().aclose(close_connection_pool)

    async def begin_anew(self) -> None:
        """Leave the connections there are; what is under way is asked again over a new line."""
        if self._line is not None:
            self._line.close()
        await self.connection_pool.disconnect(inuse_connections=False)

    async def _answer(self, command: tuple[Any, ...]) -> Any:
        tries = 0
        while True:
            line = self._open_line()
            try:
                return await line.ask(command)
            except (RedisConnectionError, RedisTimeoutError) as error:
                TRAFFIC.broken += 1
                tries += 1
                if self._is_closed or tries > self._retry.get_retries():
                    raise
                if isinstance(error, BusyLoadingError):
                    line.close(error)  # for all that was asked after it, and its pause

    @property
    def _retry(self) -> CountedRetry:
        retry = self.get_retry()
        assert isinstance(retry, CountedRetry)
        return retry

    def _open_line(self) -> SharedLine:
        if self._line is not None and not self._line.is_closed:
            return self._line
        if self._is_closed:
            raise RedisConnectionError("The client was closed")
        pause_s = self._retry.pause_s(self._breaks) if self._breaks else 0
        self._breaks += 1
        connection = self.connection_pool.make_connection()
        self._line = SharedLine(connection, self._answered, self._silent, pause_s=pause_s)
        return self._line

    def _silent(self) -> None:
        if self.beside is not None:
            self._leaving = asyncio.create_task(self.beside.connection_pool.disconnect())

    def _answered(self) -> None:
        self._breaks = 0
        TRAFFIC.answered()
