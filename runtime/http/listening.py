"""Serves the HTTP endpoints when HEALTH_PORT is set: the socket, the server, their errors."""

import asyncio
import errno
import ipaddress
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from loguru import logger

from bullmq_consumer.health.status import WorkerStatus
from config.settings import Settings

_BACKLOG = 64
# By error number: the wrong variable, and the advice.
_ADVICE = {
    errno.EADDRINUSE: (
        "HEALTH_PORT",
        "give each worker of a machine a port of its own, or none (PM2's instances count up from "
        "HEALTH_PORT)",
    ),
    errno.EACCES: ("HEALTH_PORT", "choose a port above 1023, which needs no rights"),
    errno.EADDRNOTAVAIL: (
        "HEALTH_HOST",
        "name an address of this machine: 127.0.0.1 for itself, 0.0.0.0 for others too",
    ),
}


class CannotListen(Exception):
    """The endpoints have no port; the message says why and what to do.

    `is_taken`: another process listens there, perhaps another worker.
    """

    def __init__(self, message: str, *, is_taken: bool = False) -> None:
        super().__init__(message)
        self.is_taken = is_taken


@asynccontextmanager
async def served(settings: Settings, worker_status: WorkerStatus) -> AsyncGenerator[None]:
    """Serve during the block, if a port is set. Raises CannotListen."""
    if settings.health_port is None:
        yield
        return
    listening = listen(settings.health_host, _port(settings.health_port))
    _announce(settings, listening)
    serving = asyncio.create_task(_serve(settings, worker_status, listening), name="endpoints")
    try:
        yield
    finally:
        # Open connections are not drained: clients see them close.
        serving.cancel()
        await asyncio.wait({serving})


def _port(port: int) -> int:
    """The instance's port: PM2 numbers the instances of an app from 0, each has its own port."""
    instance = os.environ.get("NODE_APP_INSTANCE", "")
    return port + int(instance) if instance.isdecimal() and len(instance) < 4 else port


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that a taken port is noticed before the first job.

    Raises CannotListen.
    """
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError):
        reason = "HEALTH_HOST: no address has this name, wants an address to listen on"
        raise CannotListen(reason) from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The port as configured: the lookup takes it modulo 65536.
        listening.bind((address[0], port, *address[2:]))
        listening.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        raise _refusal(host, port, error) from None
    listening.setblocking(False)
    return listening


def _refusal(host: str, port: int, error: Exception) -> CannotListen:
    number = error.errno if isinstance(error, OSError) else None
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    name, advice = _ADVICE.get(number or 0, ("HEALTH_PORT", "choose another port"))
    message = f"{name}: cannot listen on {host}:{port} ({reason}); {advice}"
    return CannotListen(message, is_taken=number == errno.EADDRINUSE)


def _announce(settings: Settings, listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    logger.info("Endpoints: http://{}:{}/", shown, port)
    if settings.health_token is None and not ipaddress.ip_address(host).is_loopback:
        logger.warning(
            "HEALTH_HOST={} lets other machines read jobs and metrics: set HEALTH_TOKEN",
            settings.health_host,
        )


async def _serve(settings: Settings, worker_status: WorkerStatus, listening: socket.socket) -> None:
    """Serve until cancelled. If the server fails, jobs continue and clients are refused."""
    try:
        from runtime.http.endpoints import new_app
        from runtime.http.uvicorn_server import serve

        async with new_app(settings, worker_status) as app:
            await serve(app, listening)
    except Exception:
        logger.exception(
            "The endpoints failed: they stay unreachable until the worker is restarted"
        )
    finally:
        listening.close()
