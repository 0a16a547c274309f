"""The Redis client for a worker's work: one connection, commands in their order."""

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

from bullmq_consumer.redis.pipelined_connection import Question, SharedLine
from bullmq_consumer.redis.traffic import TRAFFIC, CountedClient, CountedRetry

# Typed in part only.
_pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command  # pyright: ignore
# From here on each pause is as long as it may be.
_MANY_BREAKS = 10


class LineClient(CountedClient):
    """Sends its commands over one line that they share; pipelines take connections of the pool.

    When the line breaks, what is not answered is asked again over a new one, in the same order and
    before all that is asked later. So Redis may do it twice, but never in another order. How often
    and with which pauses the client's `retry` says.

    When the line falls silent, a second one is tried: if Redis answers there the first is dead, and
    is left, and so are the connections of `beside`, a client whose are as old. Else Redis is busy,
    stopped or out of reach, and to ask again would only give it more to do.
    """

    beside: CountedClient | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._line: SharedLine | None = None
        self._second: SharedLine | None = None
        self._breaks = 0
        self._is_closed = False
        self._kept_loaded: list[AsyncScript] = []
        self._leaving: set[asyncio.Task[None]] = set()

    def keep_loaded(self, script: AsyncScript) -> None:
        """Have Redis know the script whenever a line begins: it keeps its place in the order.

        A script that Redis does not know comes after what was asked behind it.
        """
        self._kept_loaded.append(script)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """As the library does."""
        if NEVER_DECODE in options or EMPTY_RESPONSE in options:  # an answer read in its own way
            return await super().execute_command(*args, **options)
        name, *more = args
        # "CLIENT LIST" is one name.
        question = _question(*str(name).split(), *more)
        self._current_line().ask(question)
        answer = await question.reply
        callback = self.response_callbacks.get(name)
        options.pop("keys", None)  # for caches
        return callback(answer, **options) if callback else answer

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Disconnect for good: who still waits for an answer gets a ConnectionError."""
        self._is_closed = True
        for line in (self._second, self._line):
            if line is not None:
                line.close(_closed())
        await super().aclose(close_connection_pool)

    async def begin_anew(self) -> None:
        """Leave the connections there are; what is under way is asked again over a new line."""
        if self._line is not None:
            self._line.close(RedisConnectionError("The connection was left"))
        await self.connection_pool.disconnect(inuse_connections=False)

    # -- what a line tells ------------------------------------------------------------------

    def opened(self, line: SharedLine) -> None:
        """A second line works: if the first is silent still, it is dead."""
        if line is not self._second:
            return
        self._second = None
        if self._line is not None and not self._line.is_silent:
            line.close(_not_needed())
            return
        dead, self._line = self._line, line
        if dead is not None:
            dead.close(RedisConnectionError("Redis answers over a new connection only"))
        self._leave_beside()

    def answered(self) -> None:
        """All is well."""
        self._breaks = 0
        TRAFFIC.answered()

    def silent(self, line: SharedLine) -> None:
        """Try a second line."""
        if line is self._line and self._second is None:
            self._second = self._new_line()

    def lost(
        self, line: SharedLine, questions: Sequence[Question], error: RedisConnectionError
    ) -> None:
        """Ask again what is not answered."""
        if line is self._second:
            self._second = None  # the first one asks for another when it is still silent
            for question in () if self._line is None else self._line.asked:
                self._may_ask_again(question, error)
            return
        TRAFFIC.broken += len(questions)
        again = [question for question in questions if self._may_ask_again(question, error)]
        if again:
            self._current_line().ask(*again)

    def _may_ask_again(self, question: Question, error: RedisConnectionError) -> bool:
        question.tries += 1
        if question.reply.done():
            return False
        if self._is_closed or question.tries > self._patience.get_retries():
            question.reply.set_exception(error)
            return False
        return True

    # -- lines ------------------------------------------------------------------------------

    def _current_line(self) -> SharedLine:
        if self._line is None or self._line.is_closed:
            self._line, self._second = self._second or self._new_line(), None
        return self._line

    def _new_line(self) -> SharedLine:
        if self._is_closed:
            raise _closed()
        pause_s = self._patience.pause_s(min(self._breaks, _MANY_BREAKS)) if self._breaks else 0
        self._breaks += 1
        line = SharedLine(self.connection_pool.make_connection(), self, pause_s=pause_s)
        for script in self._kept_loaded:
            question = _question("SCRIPT", "LOAD", script.script)
            question.reply.cancel()  # nobody waits for it: it is asked anew on the next line
            line.ask(question)
        return line

    @property
    def _patience(self) -> CountedRetry:
        retry = self.get_retry()
        assert isinstance(retry, CountedRetry)
        return retry

    def _leave_beside(self) -> None:
        if self.beside is not None:
            leaving = asyncio.create_task(self.beside.connection_pool.disconnect())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)


def _question(*command: Any) -> Question:
    try:
        packed = _pack(command)
    except TypeError as error:
        raise DataError(str(error)) from None
    return Question(packed, asyncio.get_running_loop().create_future())


def _closed() -> RedisConnectionError:
    return RedisConnectionError("The client was closed")


def _not_needed() -> RedisConnectionError:
    return RedisConnectionError("This connection is not needed")
