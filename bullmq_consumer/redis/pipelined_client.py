"""The Redis client for a worker's commands: one connection, which keeps their order."""

# redis-py types its keyword arguments only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from redis.client import EMPTY_RESPONSE, NEVER_DECODE
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError

from bullmq_consumer.redis.pipelined_connection import Command, PipelinedConnection
from bullmq_consumer.redis.traffic import TRAFFIC, CountedClient, CountedRetry

# Typed in part only.
_pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command  # pyright: ignore
# From this number of breaks on, pauses are of maximum length.
_MANY_BREAKS = 10


class PipelinedClient(CountedClient):
    """Sends its commands over one shared connection; pipelines use those of the pool.

    When the connection breaks, unanswered commands are sent again over a new one, in the same order
    and before all later ones. So Redis may execute them twice, but never in another order. The
    client's `retry` has the number of tries and the pauses.

    When the connection is unresponsive, a second one is tried: if Redis answers there, the first is
    dead and is closed, and so are the connections of `sibling`, which are as old. Otherwise Redis
    is busy, stopped or unreachable, and sending again would only add to its load.
    """

    sibling: CountedClient | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._connection: PipelinedConnection | None = None
        self._second: PipelinedConnection | None = None
        self._breaks = 0
        self._is_closed = False
        self._kept_loaded: list[AsyncScript] = []
        self._leaving: set[asyncio.Task[None]] = set()

    def keep_loaded(self, script: AsyncScript) -> None:
        """Load the script whenever a connection opens, so that its calls keep their order.

        A script that Redis does not have yet is executed after the commands that follow it.
        """
        self._kept_loaded.append(script)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """As the library does."""
        if NEVER_DECODE in options or EMPTY_RESPONSE in options:  # parsed in another way
            return await super().execute_command(*args, **options)
        name, *more = args
        # "CLIENT LIST" is one name.
        answer = await self._send(_command(*str(name).split(), *more))
        callback = self.response_callbacks.get(name)
        options.pop("keys", None)  # for caches
        return callback(answer, **options) if callback else answer

    def register_script(self, script: Any) -> "PipelinedScript":
        """As the library does."""
        return PipelinedScript(self, script)

    def call_script(
        self, script: AsyncScript, keys: Sequence[str], args: Sequence[Any]
    ) -> asyncio.Future[Any]:
        """Send a call of the script; the future gets its reply."""
        called = len(keys), *keys, *args
        command = _command("EVALSHA", script.sha, *called)
        command.in_full = lambda: _packed("EVAL", script.script, *called)
        return self._send(command)

    def _send(self, command: Command) -> asyncio.Future[Any]:
        try:
            self._current_connection().send(command)
        except RedisConnectionError as error:
            command.reply.set_exception(error)
        return command.reply

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Disconnect for good: pending commands get a ConnectionError."""
        self._is_closed = True
        for connection in (self._second, self._connection):
            if connection is not None:
                connection.close(_closed())
        await super().aclose(close_connection_pool)

    async def reconnect(self) -> None:
        """Close the current connections; pending commands are sent again over a new one."""
        if self._connection is not None:
            self._connection.close(RedisConnectionError("The connection was left"))
        await self.connection_pool.disconnect(inuse_connections=False)

    # -- callbacks of the connections -------------------------------------------------------------

    def opened(self, connection: PipelinedConnection) -> None:
        """A second connection works: if the first is still unresponsive, it is dead."""
        if connection is not self._second:
            return
        self._second = None
        if self._connection is not None and not self._connection.is_unresponsive:
            connection.close(_not_needed())
            return
        dead, self._connection = self._connection, connection
        if dead is not None:
            dead.close(RedisConnectionError("Redis answers over a new connection only"))
        self._leave_sibling()

    def answered(self) -> None:
        """The connection works: no second one is needed."""
        self._breaks = 0
        TRAFFIC.answered()

    def unresponsive(self, connection: PipelinedConnection) -> None:
        """Try a second connection, as the first is unresponsive."""
        if connection is self._connection and self._second is None:
            self._second = self._new_connection()

    def lost(
        self,
        connection: PipelinedConnection,
        commands: Sequence[Command],
        error: RedisConnectionError,
    ) -> None:
        """Send the unanswered commands again."""
        if connection is self._second:
            self._second = None  # the first one requests another if it is still unresponsive
            for command in () if self._connection is None else self._connection.unanswered:
                self._may_resend(command, error)
            return
        TRAFFIC.broken += len(commands)
        again = [command for command in commands if self._may_resend(command, error)]
        if again:
            self._current_connection().send(*again)

    def _may_resend(self, command: Command, error: RedisConnectionError) -> bool:
        command.tries += 1
        if command.reply.done():
            return False
        if self._is_closed or command.tries > self._patience.get_retries():
            command.reply.set_exception(error)
            return False
        return True

    # -- connections ------------------------------------------------------------------------------

    def _current_connection(self) -> PipelinedConnection:
        if self._connection is None or self._connection.is_closed:
            self._connection, self._second = self._second or self._new_connection(), None
        return self._connection

    def _new_connection(self) -> PipelinedConnection:
        if self._is_closed:
            raise _closed()
        pause_s = self._patience.pause_s(min(self._breaks, _MANY_BREAKS)) if self._breaks else 0
        self._breaks += 1
        connection = PipelinedConnection(
            self.connection_pool.make_connection(), self, pause_s=pause_s
        )
        for script in self._kept_loaded:
            command = _command("SCRIPT", "LOAD", script.script)
            command.reply.cancel()  # abandoned: it is sent again on the next connection
            connection.send(command)
        return connection

    @property
    def _patience(self) -> CountedRetry:
        retry = self.get_retry()
        assert isinstance(retry, CountedRetry)
        return retry

    def _leave_sibling(self) -> None:
        if self.sibling is not None:
            leaving = asyncio.create_task(self.sibling.connection_pool.disconnect())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)


class PipelinedScript(AsyncScript):
    """A script without the library's own way of calling it, which takes as long as the sending."""

    registered_client: PipelinedClient

    async def __call__(self, keys: Any = None, args: Any = None, client: Any = None) -> Any:
        """As the library does."""
        if client is not None:
            return await super().__call__(keys, args, client)
        return await self.registered_client.call_script(self, keys or (), args or ())


def send(script: AsyncScript, keys: Sequence[str], args: Sequence[Any]) -> asyncio.Future[Any]:
    """Call the script now, before all that is sent later, if its client pipelines.

    Redis executes it later if it has to get the script's text first: see `keep_loaded`.
    """
    if isinstance(script, PipelinedScript):
        return script.registered_client.call_script(script, keys, args)
    return asyncio.ensure_future(script(keys=keys, args=args))


def _command(*command: Any) -> Command:
    return Command(_packed(*command), asyncio.get_running_loop().create_future())


def _packed(*command: Any) -> bytes:
    try:
        return _pack(command)
    except TypeError as error:
        raise DataError(str(error)) from None


def _closed() -> RedisConnectionError:
    return RedisConnectionError("The client was closed")


def _not_needed() -> RedisConnectionError:
    return RedisConnectionError("This connection is not needed")
