"""The HTTP endpoints, where HEALTH_PORT is set: listening, serving, and what comes of trouble."""

import asyncio
import ipaddress
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from loguru import logger

from config.settings import Settings
from runtime.vitals import Vitals

_BACKLOG = 64


class CannotListen(Exception):
    """The endpoints have no port; the message says why and what to do."""


@asynccontextmanager
async def served(settings: Settings, vitals: Vitals) -> AsyncGenerator[None]:
    """Answer meanwhile, if a port is set. Raises CannotListen."""
    if settings.health_port is None:
        yield
        return
    listening = _listen(settings.health_host, _port(settings.health_port))
    _announce(settings, listening)
    serving = asyncio.create_task(_serve(settings, vitals, listening), name="endpoints")
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


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that a port that is taken is known before the first job."""
    where = f"{host}:{port}"
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError):
        raise CannotListen(f"HEALTH_HOST: got '{host}', wants an address to listen on") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # As it was told: the lookup takes numbers modulo 65536.
        listening.bind((address[0], port, *address[2:]))
        listening.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        raise CannotListen(
            f"HEALTH_PORT: cannot listen on {where} ({_reason(error)}); give each worker of a "
            "machine a port of its own, or none (PM2's instances count up from HEALTH_PORT)"
        ) from None
    listening.setblocking(False)
    return listening


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _announce(settings: Settings, listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    logger.info("Endpoints: http://{}:{}/", shown, port)
    if settings.health_token is None and not ipaddress.ip_address(host).is_loopback:
        logger.warning(
            "HEALTH_HOST={} lets other machines read jobs and metrics: set HEALTH_TOKEN",
            settings.health_host,
        )


async def _serve(settings: Settings, vitals: Vitals, listening: socket.socket) -> None:
    """Serve until cancelled. Should the server break, jobs go on, and who asks is refused."""
    try:
        from runtime.endpoints import new_app
        from runtime.http_server import serve

        async with new_app(settings, vitals) as app:
            await serve(app, listening)
    except Exception:
        logger.exception("The endpoints broke: they are away until the worker is started anew")
    finally:
        listening.close()
