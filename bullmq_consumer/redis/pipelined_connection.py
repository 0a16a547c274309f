"""One connection to Redis that many commands share: sent together, answered in order.

redis-py's pool gives each command its own connection until the reply arrives. A worker's commands
need not wait for each other, nor be sent one by one: those of the same turn of the event loop are
sent in one packet, and replies reach their waiters without a task in between.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, NoScriptError

_INCOMPLETE = object()


@dataclass(slots=True, eq=False)
class Command:
    """A packed command. `tries` counts the connections that broke before its reply.

    A script is called by its hash; `in_full` packs the call with its text, for a Redis that does
    not have it.
    """

    packed: bytes
    reply: asyncio.Future[Any]
    tries: int = 0
    in_full: Callable[[], bytes] | None = None


class ConnectionOwner(Protocol):
    """Callbacks for the owner of connections; each is called on the event loop."""

    def opened(self, connection: "PipelinedConnection") -> None:
        """The connection is open and logged in."""
        ...

    def answered(self) -> None:
        """Redis answered, and not with an error."""
        ...

    def unresponsive(self, connection: "PipelinedConnection") -> None:
        """A reply is pending and nothing came for the time-out; repeated after each time-out."""
        ...

    def lost(
        self,
        connection: "PipelinedConnection",
        commands: Sequence[Command],
        error: RedisConnectionError,
    ) -> None:
        """The connection is closed; `commands`, in the order sent, will get no reply from it."""
        ...


class PipelinedConnection(asyncio.Protocol):
    """A pipelined connection over an unused connection of redis-py.

    It opens by itself after `pause_s`, and takes commands until it is closed. Its time-out is the
    connection's `socket_timeout`.
    """

    def __init__(
        self, connection: AbstractConnection, owner: ConnectionOwner, *, pause_s: float = 0
    ) -> None:
        self._connection: Any = connection
        self._owner = owner
        self._timeout_s: float = self._connection.socket_timeout
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._answers: Any = None
        self._unsent: list[bytes] = []
        self._unanswered: deque[Command] = deque()
        self._received_at = 0.0
        self._clock: asyncio.TimerHandle | None = None
        self.is_closed = False
        self._opening = self._loop.create_task(self._open(pause_s))

    @property
    def is_unresponsive(self) -> bool:
        """Whether a reply is pending and nothing came for the time-out."""
        return self._unresponsive_in_s() <= 0

    @property
    def unanswered(self) -> list[Command]:
        """The unanswered commands that are still awaited."""
        return [command for command in self._unanswered if not command.reply.done()]

    def send(self, *commands: Command) -> None:
        """Send commands; the future of each gets the reply or a RedisError."""
        if not self._unsent:
            self._loop.call_soon(self._send)
        if not self._unanswered:
            self._received_at = self._loop.time()
        self._unsent += [command.packed for command in commands]
        self._unanswered += commands

    def close(self, error: RedisConnectionError) -> None:
        """Disconnect; the owner gets the unanswered commands."""
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
        unanswered = self.unanswered
        self._unanswered.clear()
        self._owner.lost(self, unanswered, error)

    def data_received(self, data: bytes) -> None:
        """Deliver the replies."""
        self._received_at = self._loop.time()
        self._answers.feed(data)
        try:
            while (answer := self._next_answer()) is not _INCOMPLETE:
                self._take(answer)
        except InvalidResponse as error:
            self.close(RedisConnectionError(f"Redis sent what is not its protocol: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the owner."""
        self.close(RedisConnectionError(str(exc) if exc else "Connection closed by server."))

    async def _open(self, pause_s: float) -> None:
        """Connect and log in, once."""
        self._connection.retry = Retry(NoBackoff(), 0)
        try:
            await asyncio.sleep(pause_s)
            await self._connection.connect()
        except RedisConnectionError as error:
            self.close(error)
        except Exception as error:  # whatever it is, pending commands must get it
            self.close(RedisConnectionError(str(error) or type(error).__name__))
        else:
            self._begin()
        finally:
            if self.is_closed:
                self._connection._close()

    def _begin(self) -> None:
        """Take over from redis-py, which has received the replies to all its commands."""
        encoder = self._connection.encoder
        self._answers = hiredis.Reader(
            protocolError=InvalidResponse,
            replyError=self._connection._parser.parse_error,  # the errors of redis-py, by code
            encoding=encoder.encoding,
            errors=encoder.encoding_errors,
            notEnoughData=_INCOMPLETE,
        )
        transport: asyncio.Transport = self._connection._writer.transport
        transport.set_protocol(self)
        self._transport = transport
        self._received_at = self._loop.time()
        self._send()
        self._owner.opened(self)

    def _send(self) -> None:
        if self._transport is None or self.is_closed or not self._unsent:
            return
        commands, self._unsent = self._unsent, []
        self._transport.write(b"".join(commands))
        if self._clock is None:
            self._clock = self._loop.call_later(self._timeout_s, self._look_at_clock)

    def _next_answer(self) -> Any:
        try:
            return self._answers.gets()
        except ValueError as error:  # bytes in another encoding: an error for this command alone
            return error

    def _take(self, answer: Any) -> None:
        if isinstance(answer, hiredis.PushNotification) or not self._unanswered:
            return  # no command is pending
        if isinstance(answer, RedisConnectionError):
            self.close(answer)  # LOADING, or not logged in: no reply, nor will the next be one
            return
        command = self._unanswered.popleft()
        reply = command.reply
        is_error = isinstance(answer, Exception)
        if not is_error:
            self._owner.answered()
        if reply.done():
            return  # it is no longer awaited
        if command.in_full is not None and isinstance(answer, NoScriptError):
            command.packed, command.in_full = command.in_full(), None
            self.send(command)
        elif is_error:
            reply.set_exception(answer)
        else:
            reply.set_result(answer)

    def _look_at_clock(self) -> None:
        self._clock = None
        if not self._unanswered:
            return
        left_s = self._unresponsive_in_s()
        if left_s <= 0:
            self._owner.unresponsive(self)
        if not self.is_closed:
            self._clock = self._loop.call_later(
                left_s if left_s > 0 else self._timeout_s, self._look_at_clock
            )

    def _unresponsive_in_s(self) -> float:
        if not self._unanswered or self._transport is None:
            return self._timeout_s
        return self._received_at + self._timeout_s - self._loop.time()
