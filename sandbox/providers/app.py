"""Two servers in one process: the vendors' HTTP with the control API, and the media host's."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from sandbox.providers import control, media_host
from sandbox.providers.certificates import Certificates, write_certificates
from sandbox.providers.files.store import Store
from sandbox.providers.models import Ready
from sandbox.providers.network.connections import Connections
from sandbox.providers.network.middleware import Middleware
from sandbox.providers.state.app_state import AppState
from sandbox.providers.vendors import byteplus, google, shotstack, wavespeed
from sandbox.providers.vendors.errors import Refused, no_such_page, refuse

LOOPBACK = "127.0.0.1"

_API_ROUTES = [
    *control.ROUTES,
    *byteplus.ROUTES,
    *shotstack.ROUTES,
    *wavespeed.ROUTES,
    *google.ROUTES,
]


@dataclass(frozen=True, slots=True)
class Options:
    """As on the command line; port 0 takes a free one."""

    state_dir: Path
    port: int = 0
    media_port: int = 0
    font: Path | None = None
    plain: bool = False


class _Server(uvicorn.Server):
    """Leaves signals to `serve`, since two servers share the process, and stops without grace."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._connections.drop()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT; `ready.json` appears in the state folder once listening."""
    folder = options.state_dir
    media_folder = folder / "media"
    media_folder.mkdir(parents=True, exist_ok=True)
    certificates = write_certificates(folder)
    api_socket, media_socket = _listen(options.port), _listen(options.media_port)
    state = AppState(Store(media_folder, options.font, plain=options.plain))
    state.store.media_port = media_socket.getsockname()[1]
    api = _server(state, "api", None)
    host = _server(state, "media", certificates)
    _stop_on_signals(api, host)
    ready = Ready(
        port=api_socket.getsockname()[1],
        media_port=state.store.media_port,
        ca_file=str(certificates.ca),
        ca_bundle=str(certificates.bundle),
        media_folder=str(media_folder),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(api.serve([api_socket]))
        group.create_task(host.serve([media_socket]))
        group.create_task(_announce(ready, folder / "ready.json", api, host))
    state.operations.clear()


def new_app(state: AppState, server: Literal["api", "media"]) -> Starlette:
    """One of the two applications, without what `Middleware` adds."""
    app = Starlette(routes=_API_ROUTES if server == "api" else media_host.ROUTES)
    app.add_exception_handler(Refused, refuse)
    if server == "api":
        app.add_exception_handler(HTTPException, no_such_page)
    app.state.shared = state
    return app


def _server(state: AppState, name: Literal["api", "media"], tls: Certificates | None) -> _Server:
    connections = Connections()
    app = Middleware(new_app(state, name), state, name, connections)
    config = uvicorn.Config(
        app,
        http=connections.protocol(),
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
        ssl_certfile=tls.chain if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    return _Server(config, connections)


def _listen(port: int) -> socket.socket:
    # Without the protocol's number asyncio leaves Nagle's algorithm on: 40 ms more for each answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    return listener


def _stop_on_signals(*servers: uvicorn.Server) -> None:
    def stop() -> None:
        for server in servers:
            server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


async def _announce(ready: Ready, file: Path, *servers: uvicorn.Server) -> None:
    # uvicorn has no event for it.
    while not all(server.started for server in servers):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    part = file.with_suffix(".part")
    await asyncio.to_thread(part.write_text, ready.model_dump_json())
    part.replace(file)
