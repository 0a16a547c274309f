"""A TCP proxy on loopback whose connections can be made half-open."""

import asyncio
from typing import Self

from sandbox.processes import LOOPBACK


class Proxy:
    """Forwards to one port. `freeze` is felt by the connections of that moment only."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self._target = port
        self._flows: asyncio.Event = _open_flow()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
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

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(LOOPBACK, self._target)
        flows = self._flows
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(_forward(source, target, flows))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _forward(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, flows: asyncio.Event
) -> None:
    try:
        while data := await source.read(65536):
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
