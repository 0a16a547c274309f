"""A child process that is asked in JSON lines, and also speaks unasked."""

import asyncio
import itertools
import json
import signal
from collections.abc import Callable
from typing import Any

from sandbox.processes import Process, SandboxError

_LINE_LIMIT_BYTES = 64 * 1024 * 1024


class Refused(Exception):
    """The child answered with an error; its own words."""


class JsonLines:
    """Asks `{id, cmd, ...}` and awaits `{id, ok}` or `{id, error}`; other lines go to `tell`.

    `tell` is called with None when the child's output ends.
    """

    def __init__(self, process: Process, tell: Callable[[dict[str, Any] | None], None]) -> None:
        self._process = process
        self._tell = tell
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._stdin: asyncio.WriteTransport | None = None
        self._reading: asyncio.Task[None] | None = None
        self.open = False

    async def start(self) -> None:
        """Start the process, which must have been made with `pipes`."""
        await self._process.start()
        loop = asyncio.get_running_loop()
        self._stdin, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._process.stdin)
        lines = asyncio.StreamReader(limit=_LINE_LIMIT_BYTES)
        output, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(lines), self._process.stdout
        )
        self.open = True
        self._reading = asyncio.create_task(self._read(lines, output))

    async def close(self) -> None:
        """Close its input, end it, and read what it still had to say."""
        if self._stdin:
            self._stdin.close()
        await self._end()
        # Its output ends with it. Only then may the pipe be closed: the loop still polls it.
        if self._reading:
            await self._reading
        await self._process.stop()

    async def _end(self) -> None:
        if not self._process.running:
            return
        try:
            await self._process.wait(2)
        except TimeoutError:
            self._process.signal(signal.SIGKILL)

    async def ask(self, command: str, timeout_s: float, **args: Any) -> Any:
        """The answer. Raises Refused, TimeoutError, or SandboxError when the child is gone."""
        if not self.open or self._stdin is None:
            raise self.lost()
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._stdin.write(json.dumps({"id": number, "cmd": command, **args}).encode() + b"\n")
        try:
            return await asyncio.wait_for(answer, timeout_s)
        except TimeoutError:
            raise TimeoutError(f"No answer to '{command}' in {timeout_s:g} s") from None
        finally:
            del self._answers[number]

    def lost(self) -> SandboxError:
        """What to raise when the child is gone."""
        return SandboxError(f"{self._process.name} is not running.\n{self._process.log_tail()}")

    async def _read(self, lines: asyncio.StreamReader, output: asyncio.BaseTransport) -> None:
        try:
            while line := await lines.readline():
                self._take(json.loads(line))
        finally:
            self.open = False
            output.close()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(self.lost())
            self._tell(None)

    def _take(self, message: dict[str, Any]) -> None:
        if "id" not in message:
            self._tell(message)
            return
        answer = self._answers.get(message["id"])
        if answer is None or answer.done():
            return
        if "error" in message:
            answer.set_exception(Refused(message["error"]))
        else:
            answer.set_result(message["ok"])
