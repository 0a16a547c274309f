"""A worker's Redis clients: for its commands, for the wait for jobs, and for status queries."""

# redis-py types its keyword arguments only in part.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import asyncio
import logging
import socket
from typing import Any

import redis as library
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, Connection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.driver_info import DriverInfo
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bullmq_consumer.redis.address import RedisAddress, wrong_certificate
from bullmq_consumer.redis.advice import remedy_of
from bullmq_consumer.redis.pipelined_client import PipelinedClient
from bullmq_consumer.redis.traffic import CountedClient, CountedRetry
from bullmq_consumer.sanitize.text import one_line

logger = logging.getLogger(__name__)

OLDEST_VERSION = "6.2.0"
"""The worker and its scripts use LPOS and ZRANGE BYSCORE."""
NAMELESS = (
    "Redis does not let the worker set its name (CLIENT SETNAME): Node's "
    "getWorkers() do not show it"
)
# How long one blocking wait for a job lasts. Longer costs fewer commands when idle.
BLOCK_S = 70
# The reply to that wait takes up to BLOCK_S: the margin distinguishes slow from dead.
_WAIT_TIMEOUT_S = BLOCK_S + 5
# For all other commands: well below the lock of a running job (30 s), so that a lock which is
# renewed over a dead connection can be renewed again over a new one in time.
_SOCKET_TIMEOUT_S = 10
# The kernel probes a silent peer after 30 s and drops it after 60 s: this detects a dead connection
# during a wait, and keeps firewalls from dropping idle ones. Not every system has all options.
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
# 45 tries, at most 2 s apart, bridge an outage of about 80 s without losing a result.
_RETRIES = 45
# The pause after a wait for jobs that broke off, for a Redis that ends each of them at once.
_PAUSE_S = 0.5
# As the library does by itself, which looks its version up for each connection: 3 ms.
_DRIVER = DriverInfo(lib_version=library.__version__)


class RedisUnreachable(Exception):
    """Redis did not answer as it should. The message has the address, the reason and the advice.

    `reason` is the reason alone; `is_final` when waiting does not help, as with a wrong password.
    """

    def __init__(self, message: str, *, reason: str, is_final: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_final = is_final


class _WaitingClient(CountedClient):
    """Gives the blocking wait a longer time-out than other commands.

    `worker` is the other client, which reconnects when the wait's connection is dead.
    """

    worker: PipelinedClient

    async def parse_response(
        self, connection: Connection, command_name: str | bytes, **options: Any
    ) -> Any:
        """As the library does. A wait that is overdue or breaks off returns no job.

        It is not repeated, as the library would: the job may be ready by now.
        """
        if command_name != "BZPOPMIN":
            return await super().parse_response(connection, command_name, **options)
        connection.socket_timeout = _WAIT_TIMEOUT_S
        try:
            return await super().parse_response(connection, command_name, **options)
        except RedisTimeoutError:
            # Half-open: the peer is gone without closing. Other connections are probably dead too.
            await self.worker.reconnect()
            return None
        except RedisConnectionError:
            # The marker that it waited for may be lost with the reply.
            await asyncio.sleep(_PAUSE_S)
            return None
        finally:
            connection.socket_timeout = _SOCKET_TIMEOUT_S


def connect(redis: RedisAddress) -> PipelinedClient:
    """A client for the worker's commands, which bridges outages. No I/O yet."""
    client = PipelinedClient.from_url(redis.url, **_patient(redis), **redis.tls_options())
    assert isinstance(client, PipelinedClient)
    return client


def connect_to_wait(redis: RedisAddress, worker: PipelinedClient, name: str) -> Redis:
    """A client for the blocking wait for jobs, sibling of `worker`. No I/O yet.

    Node's `getWorkers()` finds the worker by `name`, and only once: there is one wait at a time, so
    one connection, which sets its name whenever it is opened, if the user may.
    """

    async def log_in(connection: AbstractConnection) -> None:
        try:
            await connection.on_connect()
        except NoPermissionError:
            if connection.client_name is None:
                raise
            logger.warning(NAMELESS)
            client.connection_pool.connection_kwargs["client_name"] = None
            connection.client_name = None
            await connection.on_connect()

    client = _WaitingClient.from_url(
        redis.url,
        client_name=name,
        redis_connect_func=log_in,
        **_patient(redis),
        **redis.tls_options(),
    )
    assert isinstance(client, _WaitingClient)
    client.worker = worker
    worker.sibling = client
    return client


def connect_briefly(redis: RedisAddress, timeout_s: float = 5.0) -> Redis:
    """A client that fails fast when Redis is unreachable: for queries, not for jobs. No I/O yet.

    Bytes that are no UTF-8 show as �: one such job must not hide the others.
    A connection that broke while it was idle is reopened: Redis may close those, and restart.
    """
    return CountedClient.from_url(
        redis.url,
        decode_responses=True,
        encoding_errors="replace",
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        driver_info=_DRIVER,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        **redis.tls_options(),
    )


async def check(redis: RedisAddress) -> None:
    """PING once, with a client that does not retry. Raises RedisUnreachable."""
    client = connect_briefly(redis)
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        raise explain(redis, error) from error
    finally:
        await client.aclose()


def _patient(redis: RedisAddress) -> dict[str, Any]:
    return {
        **({} if redis.is_unix else _kept_alive()),
        "decode_responses": True,
        # As Node reads them: else a job whose hash is no UTF-8 could be neither run nor failed.
        "encoding_errors": "replace",
        "socket_timeout": _SOCKET_TIMEOUT_S,
        "socket_connect_timeout": 5,
        "health_check_interval": 0,
        "driver_info": _DRIVER,
        "retry": CountedRetry(ExponentialWithJitterBackoff(base=0.1, cap=2.0), _RETRIES),
        "retry_on_error": [BusyLoadingError],
    }


def _kept_alive() -> dict[str, Any]:
    """For TCP: a Unix socket refuses these options, and knows at once that its peer is gone."""
    names = [name for name in _KEEPALIVE if hasattr(socket, name)]
    options = {getattr(socket, name): _KEEPALIVE[name] for name in names}
    return {"socket_keepalive": True, "socket_keepalive_options": options}


def explain(redis: RedisAddress, error: Exception) -> RedisUnreachable:
    """The error for operators, from an error that a client of this Redis raised."""
    reason = one_line(str(error), 200).rstrip(".") or type(error).__name__
    if isinstance(error, AuthenticationError) or "NOAUTH" in reason:
        has_none = "@" not in redis.url
        did = "wants a password" if has_none else "refused the password"
        message = f"Redis at {redis} {did}; check it in {redis.password_set_in}"
        return RedisUnreachable(message, reason=reason, is_final=True)
    if isinstance(error, ResponseError):
        message = _refusal(redis, error, reason)
    elif (fault := wrong_certificate(error)) is not None:
        reason = f"certificate verify failed: {fault}"
        message = (
            f"Redis at {redis} is not trusted ({reason}); name the root of its certificate in "
            f"SSL_CERT_FILE, and the host that it is made for in {redis.set_in}"
        )
    else:
        message = (
            f"Redis at {redis} does not answer ({reason}); check that it runs, that the address "
            f"in {redis.set_in} is right (rediss:// for TLS), and that no firewall is in between"
        )
    return RedisUnreachable(message, reason=reason, is_final=_is_final(error))


def _refusal(redis: RedisAddress, error: ResponseError, reason: str) -> str:
    if (remedy := remedy_of(error)) is not None:
        return f"Redis at {redis} refuses the worker ({reason}): {remedy}"
    return (
        f"Redis at {redis} refuses the worker ({reason}); check the user's rights and the "
        f"number of the database in {redis.set_in}"
    )


def _is_final(error: Exception) -> bool:
    """Rights and database numbers do not change by waiting, nor do certificates."""
    if wrong_certificate(error) is not None:
        return True
    return isinstance(error, NoPermissionError) or "DB index" in str(error)
