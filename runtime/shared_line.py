"""One connection to Redis that many commands share: written together, answered in order.

redis-py's pool gives each command a connection of its own until its answer is there. The commands
of a worker need not wait for each other, nor be sent one by one: what comes in the same turn of the
event loop goes out in one packet, and no task stands between the socket and who waits.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

Reply = asyncio.Future[Any]

# Typed in part only.
_pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command  # pyright: ignore
_INCOMPLETE = object()


class SharedLine(asyncio.Protocol):
    """Over a connection of redis-py's that was not used yet: it connects, and is not asked again.

    It opens by itself after `pause_s`, and takes commands until it is closed. It breaks when Redis
    owes an answer and says nothing for the connection's `socket_timeout`: `silent` is called then,
    and `answered` for each answer that is no error.
    """

    def __init__(
        self,
        connection: AbstractConnection,
        answered: Callable[[], None],
        silent: Callable[[], None],
        *,
        pause_s: float = 0,
    ) -> None:
        self._connection: Any = connection
        self._answer_timeout_s: float = self._connection.socket_timeout
        self._answered = answered
        self._silent = silent
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        self._awaited: deque[Reply] = deque()
        self._silent_since = 0.0
        self._clock: asyncio.TimerHandle | None = None
        self.is_closed = False
        self._opening = self._loop.create_task(self._open(pause_s))

    def ask(self, command: Sequence[Any]) -> Reply:
        """Send a command; its answer, or RedisError. Raises DataError."""
        packed = _pack(tuple(command))
        if not self._unsent:
            self._loop.call_soon(self._send)
        if not self._awaited:
            self._silent_since = self._loop.time()
        self._unsent.append(packed)
        reply = self._loop.create_future()
        self._awaited.append(reply)
        return reply

    def close(self, error: Exception | None = None) -> None:
        """Disconnect. What is not answered fails with `error`, as it does when the line breaks."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._clock is not None:
            self._clock.cancel()
        if self._transport is None:
            self._opening.cancel()
        else:
            self._transport.abort()
        self._connection._close()  # without waiting for a stream that is not read any more
        for reply in self._awaited:
            if not reply.done():
                reply.set_exception(error or RedisConnectionError("The connection was closed"))
        self._awaited.clear()

    def data_received(self, data: bytes) -> None:
        """Give out the answers."""
        self._silent_since = self._loop.time()
        self._parser.feed(data)
        try:
            while (answer := self._next_answer()) is not _INCOMPLETE:
                self._take(answer)
        except RedisError as error:  # not of the protocol
            self.close(RedisConnectionError(f"{type(error).__name__}: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait."""
        self.close(RedisConnectionError(str(exc) if exc else "Connection closed by server."))

    async def _open(self, pause_s: float) -> None:
        """Connect and log in, once."""
        self._connection.retry = Retry(NoBackoff(), 0)
        try:
            await asyncio.sleep(pause_s)
            await self._connection.connect()
        except RedisError as error:
            self.close(error)
            return
        except Exception as error:  # whatever it is, those who wait for an answer must hear of it
            self.close(RedisConnectionError(f"{type(error).__name__}: {error}"))
            return
        encoder = self._connection.encoder
        self._parser = hiredis.Reader(
            protocolError=InvalidResponse,
            replyError=self._connection._parser.parse_error,  # the errors of redis-py, by code
            encoding=encoder.encoding,
            errors=encoder.encoding_errors,
            notEnoughData=_INCOMPLETE,
        )
        transport: asyncio.Transport = self._connection._writer.transport
        transport.set_protocol(self)
        self._transport = transport
        self._silent_since = self._loop.time()
        self._send()

    def _send(self) -> None:
        if self._transport is None or self.is_closed or not self._unsent:
            return
        commands, self._unsent = self._unsent, []
        self._transport.write(b"".join(commands))
        if self._clock is None:
            self._clock = self._loop.call_later(self._answer_timeout_s, self._look_at_clock)

    def _next_answer(self) -> Any:
        try:
            return self._parser.gets()
        except ValueError as error:  # bytes that are not of the encoding: for the one who asked
            return error

    def _take(self, answer: Any) -> None:
        if isinstance(answer, hiredis.PushNotification) or not self._awaited:
            return  # asked by nobody
        reply = self._awaited.popleft()
        is_error = isinstance(answer, Exception)
        if not is_error:
            self._answered()
        if reply.done():
            return  # nobody waits for it any more
        if is_error:
            reply.set_exception(answer)
        else:
            reply.set_result(answer)

    def _look_at_clock(self) -> None:
        self._clock = None
        if not self._awaited:
            return
        left_s = self._silent_since + self._answer_timeout_s - self._loop.time()
        if left_s <= 0:
            self._silent()
            self.close(RedisTimeoutError("Redis did not answer in time"))
        else:
            self._clock = self._loop.call_later(left_s, self._look_at_clock)
