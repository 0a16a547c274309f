"""Runs `def` handlers with `isolate`, each slot's in a spawned process, which stays for the next.

What blocks the interpreter there, as C code that keeps its lock does, holds up nothing here. A
process that dies, of a signal or for lack of memory, is one attempt's failure, and the slot gets a
new one.

All messages are JSON. To the process: `run` begins an attempt, `stop` asks it to end, `reply`
answers a call. From it: `begun` says that the handler is about to be called, `call` is what its job
asks of the queue, `end` what became of the attempt.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.engine.application import JobHandle
from bullmq_consumer.errors import RetryableError
from bullmq_consumer.jobs.handler import Registered
from bullmq_consumer.jobs.isolated.remote import answer, raised, receive, send
from bullmq_consumer.jobs.limit import Within, stopped
from bullmq_consumer.jobs.stop import Stop, StopReason

CHILD = "isolated handler of bullmq_consumer"
"""The name of these processes."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Of a process that was killed.
_JOIN_S = 5.0
# For the imports of the handler's module.
_START_LIMIT = timedelta(minutes=5)


class Died(RetryableError):
    """A process ended in the middle of an attempt."""


class Processes:
    """The processes of one worker, for its `queue`: as many as such jobs ran at the same time."""

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._idle: list[_Process] = []

    async def run(
        self,
        registered: Registered,
        delivery: Delivery,
        handle: JobHandle,
        stop: Stop,
        limit: timedelta | None = None,
    ) -> Any:
        """The function's result as JSON. Raises what it raises, RetryableError when it died.

        The limit is the function's: how long its process took to start does not count.
        """
        try:
            process = await self._begun(registered, delivery, stop)
            with _killed_on_error(process), Within(limit, stop):
                end = await process.end(delivery, handle, stop)
        except Died as error:
            if stop.reason is StopReason.SHUTDOWN:
                raise stopped(StopReason.SHUTDOWN, limit) from error
            raise
        self._idle.append(process)
        if "error" in end:
            raise raised(end["error"], limit)
        return end["result"]

    async def _begun(self, registered: Registered, delivery: Delivery, stop: Stop) -> "_Process":
        """A process that is about to call the handler; others may have died while they waited."""
        while (process := self._idle_one()) is not None:
            with suppress(Died):
                return await self._begin(process, registered, delivery, stop)
        return await self._begin(_Process(), registered, delivery, stop)

    async def _begin(
        self, process: "_Process", registered: Registered, delivery: Delivery, stop: Stop
    ) -> "_Process":
        with _killed_on_error(process), Within(_START_LIMIT, stop):
            await process.begin(registered, delivery, self._queue)
        return process

    def _idle_one(self) -> "_Process | None":
        """One that waits, and lives as far as the kernel knows yet."""
        while self._idle:
            process = self._idle.pop()
            if process.is_alive:
                return process
            process.kill()
        return None

    async def aclose(self) -> None:
        """End the processes that wait for a job."""
        while self._idle:
            process = self._idle.pop()
            process.kill()
            await asyncio.to_thread(process.join)


@contextmanager
def _killed_on_error(process: "_Process") -> Generator[None]:
    """One in an unknown state runs no other attempt."""
    try:
        yield
    except BaseException:
        process.kill()
        raise


@contextmanager
def _signals_held() -> Generator[None]:
    """A signal to the whole group must not end a process before it can ignore that."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _level() -> int:
    """The least of a line that this process's log takes."""
    return logging.getLogger().getEffectiveLevel()


class _Process:
    """One spawned process, which runs one attempt at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # Here, and not at the start of workers that have no isolated handler.
        import multiprocessing
        from multiprocessing.util import Finalize

        from bullmq_consumer.jobs.isolated import child

        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(
            target=child.main, args=(theirs, _level()), daemon=True, name=CHILD
        )
        with _signals_held():
            self._process.start()
        theirs.close()
        # Python's own end would wait for it, and it ignores being asked.
        self._at_exit = Finalize(None, self._process.kill, exitpriority=10)
        self._sending = asyncio.Lock()
        self._readable = asyncio.Event()

    async def begin(self, registered: Registered, delivery: Delivery, queue: str) -> None:
        """Wait until it has imported the handler. Raises RetryableError when it dies."""
        async with self._alive():
            await self._send(
                {"run": registered.place, "delivery": asdict(delivery), "queue": queue}
            )
            await self._message()

    async def end(self, delivery: Delivery, handle: JobHandle, stop: Stop) -> dict[str, Any]:
        """The `end` of the attempt that began. Raises RetryableError when the process dies."""
        asking = asyncio.create_task(self._ask_to_stop(stop))
        try:
            async with self._alive():
                while "end" not in (message := await self._message()):
                    reply = await answer(message["call"], delivery, handle)
                    await self._send({"reply": reply})
                return message["end"]
        finally:
            asking.cancel()

    def kill(self) -> None:
        """End it, whatever it does."""
        if self._pipe.closed:
            return
        self._loop.remove_reader(self._pipe.fileno())
        self._pipe.close()
        self._process.kill()
        self._at_exit.cancel()
        self._loop.run_in_executor(None, self.join)

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    def join(self) -> None:
        """Wait for its end, in a thread."""
        self._process.join(_JOIN_S)

    @asynccontextmanager
    async def _alive(self) -> AsyncGenerator[None]:
        try:
            yield
        except (OSError, EOFError) as error:
            raise Died(await asyncio.to_thread(self._obituary)) from error

    async def _ask_to_stop(self, stop: Stop) -> None:
        reason = await stop.wait()
        with suppress(OSError):
            await self._send({"stop": reason})

    async def _send(self, message: dict[str, Any]) -> None:
        """In a thread: a process that imports, or was halted, does not read yet."""
        async with self._sending:
            await asyncio.to_thread(send, self._pipe, message)

    async def _message(self) -> dict[str, Any]:
        """The next one that is not a line of its log, which goes into this process's log."""
        while "log" in (message := await self._receive()):
            name, level, text = message["log"]
            logging.getLogger(name).log(level, "%s", text)
        return message

    async def _receive(self) -> dict[str, Any]:
        while not self._pipe.poll():
            self._readable.clear()
            self._loop.add_reader(self._pipe.fileno(), self._on_readable)
            await self._readable.wait()
        return await asyncio.to_thread(receive, self._pipe)

    def _on_readable(self) -> None:
        # Once: the end of a process stays readable, and would keep the loop busy.
        self._loop.remove_reader(self._pipe.fileno())
        self._readable.set()

    def _obituary(self) -> str:
        """How it died, for who reads the job's `failedReason`."""
        self.join()
        code = self._process.exitcode
        if code is None:
            return "The job's process closed its connection"
        if code >= 0:
            return f"The job's process ended by itself, with exit code {code}"
        name = signal.Signals(-code).name
        hint = ": out of memory?" if -code == signal.SIGKILL else ""
        return f"The job's process was killed by {name}{hint}"
