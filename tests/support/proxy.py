"""A TCP proxy on loopback whose connections can be made half-open, or lose an answer."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Self

from sandbox.processes import LOOPBACK


class Proxy:
    """Forwards to one port, with `tls` for who speaks that. `freeze` is felt by the connections of
    that moment only.

    `lost` counts the answers that `lose_answer` held back.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self._tls = tls
        self.lost = 0
        self._losing: bytes | None = None
        self._target = port
        self._flows: asyncio.Event = _open_flow()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze(self) -> None:
        """Forward nothing more, and close nothing either; new connections are as before."""
        self._flows.clear()
        self._flows = _open_flow()

    def lose_answer(self, request: bytes) -> None:
        """Of the next request that holds these bytes; its connection breaks."""
        self._losing = request

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(LOOPBACK, self._target)
        flows = self._flows
        is_lost = asyncio.Event()

        def asked(data: bytes) -> bool:
            if self._losing is not None and self._losing in data:
                self._losing = None
                is_lost.set()
            return True

        def answered(_: bytes) -> bool:
            self.lost += is_lost.is_set()
            return not is_lost.is_set()

        for source, target, may_pass in ((reader, back, asked), (there, writer, answered)):
            task = asyncio.create_task(_forward(source, target, flows, may_pass))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _forward(
    source: asyncio.StreamReader,
    target: asyncio.StreamWriter,
    flows: asyncio.Event,
    may_pass: Callable[[bytes], bool],
) -> None:
    try:
        while (data := await source.read(65536)) and may_pass(data):
            await flows.wait()
            target.write(data)
        await flows.wait()
    except ConnectionError:
        pass  # the other side hears of it below
    finally:
        target.close()


def _open_flow() -> asyncio.Event:
    flow = asyncio.Event()
    flow.set()
    return flow
