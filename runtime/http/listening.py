"""The HTTP endpoints, where HEALTH_PORT is set: listening, serving, and what comes of trouble."""

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
# The variable that is wrong, and what to do about it.
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

    `is_taken`: somebody else listens there, be it another worker.
    """

    def __init__(self, message: str, *, is_taken: bool = False) -> None:
        super().__init__(message)
        self.is_taken = is_taken


@asynccontextmanager
async def served(settings: Settings, worker_status: WorkerStatus) -> AsyncGenerator[None]:
    """Answer meanwhile, if a port is set. Raises CannotListen."""
    if settings.health_port is None:
        yield
        return
    listening = listen(settings.health_host, _port(settings.health_port))
    _announce(settings, listening)
    serving = asyncio.create_task(_serve(settings, worker_status, listening), name="endpoints")
    try:
        yield
    finally:
        # No connection is waited for: who asks hears of the end by its closing.
        serving.cancel()
        await asyncio.wait({serving})


def _port(port: int) -> int:
    """PM2 numbers the instances of one app from 0 up: each gets a port of its own."""
    instance = os.environ.get("NODE_APP_INSTANCE", "")
    return port + int(instance) if instance.isdecimal() and len(instance) < 4 else port


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that a port that is taken is known before the first job.

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
        # As it was told: the lookup takes numbers modulo 65536.
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
    """Serve until cancelled. Should the server break, jobs go on, and who asks is refused."""
    try:
        from runtime.http.endpoints import new_app
        from runtime.http.uvicorn_server import serve

        async with new_app(settings, worker_status) as app:
            await serve(app, listening)
    except Exception:
        logger.exception("The endpoints broke: they are away until the worker is started anew")
    finally:
        listening.close()
