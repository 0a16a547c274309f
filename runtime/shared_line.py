"""One connection to Redis that many commands share: written together, answered in order.

redis-py's pool gives each command a connection of its own until its answer is there. The commands
of a worker need not wait for each other, nor be sent one by one: what comes in the same turn of the
event loop goes out in one packet, which halves the time that a small job takes.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

Reply = asyncio.Future[Any]

# Typed in part only.
_pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command  # pyright: ignore


class SharedLine:
    """Over a connection of redis-py's that was not used yet.

    An answer may take `answer_timeout_s`; `answered` is called for each that is no error.
    """

    def __init__(
        self, connection: AbstractConnection, answer_timeout_s: float, answered: Callable[[], None]
    ) -> None:
        self._connection: Any = connection
        self._answer_timeout_s = answer_timeout_s
        self._answered = answered
        self._unsent: list[bytes] = []
        self._awaited: deque[Reply] = deque()
        self._has_unsent = asyncio.Event()
        self._has_awaited = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.is_open = False

    async def open(self) -> None:
        """Connect and log in, once. Raises RedisError or OSError."""
        self._connection.retry = Retry(NoBackoff(), 0)
        await self._connection.connect()
        # The reader keeps the time. Else redis-py would make a task of each write.
        self._connection.socket_timeout = None
        self.is_open = True
        self._tasks = [asyncio.create_task(self._run(part)) for part in (self._write, self._read)]

    async def ask(self, command: Sequence[Any]) -> Any:
        """Send a command over an open line; its answer. Raises RedisError or OSError."""
        packed = _pack(tuple(command))
        reply: Reply = asyncio.get_running_loop().create_future()
        self._unsent.append(packed)
        self._awaited.append(reply)
        self._has_unsent.set()
        self._has_awaited.set()
        return await reply

    async def close(self, error: Exception | None = None) -> None:
        """Disconnect. What is not answered fails with `error`, as it does when the line breaks."""
        if not self.is_open:
            return
        self.is_open = False
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        while self._awaited:
            reply = self._awaited.popleft()
            if not reply.done():
                reply.set_exception(error or RedisConnectionError("The connection was closed"))
        await self._connection.disconnect(nowait=True)

    async def _run(self, part: Callable[[], Awaitable[None]]) -> None:
        try:
            await part()
        except TimeoutError:
            await self.close(RedisTimeoutError("Redis did not answer in time"))
        except RedisError as error:
            await self.close(error)
        except Exception as error:  # whatever it is, those who wait for an answer must hear of it
            await self.close(RedisConnectionError(f"{type(error).__name__}: {error}"))

    async def _write(self) -> None:
        while True:
            await self._has_unsent.wait()
            self._has_unsent.clear()
            commands, self._unsent = self._unsent, []
            await self._connection.send_packed_command(commands, check_health=False)

    async def _read(self) -> None:
        while True:
            await self._has_awaited.wait()
            while self._awaited:
                await self._read_one()
            self._has_awaited.clear()

    async def _read_one(self) -> None:
        try:
            # With a time-out of its own redis-py gives an overdue answer as None.
            async with asyncio.timeout(self._answer_timeout_s):
                answer = await self._connection.read_response(timeout=math.inf)
        except ResponseError as error:
            reply = self._awaited.popleft()
            if not reply.done():  # or nobody waits for it any more
                reply.set_exception(error)
        else:
            self._answered()
            reply = self._awaited.popleft()
            if not reply.done():
                reply.set_result(answer)
