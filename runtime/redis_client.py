"""The one Redis client of a worker, with the time-outs and retries that blocking commands need."""

# redis-py types its keyword arguments only in part.
# pyright: reportUnknownMemberType=false

from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError

from config.settings import Settings

# How long one blocking wait for a job lasts. Longer costs fewer commands when idle.
BLOCK_S = 30
# The answer to a blocking command comes after up to BLOCK_S: the margin tells slow from dead.
_SOCKET_TIMEOUT_S = BLOCK_S + 10
# 45 tries, at most 2 s apart, bridge an outage of about 80 s without losing a result.
_RETRIES = 45


class RedisUnreachable(Exception):
    """Redis did not answer at the start. The message says where, why and what to check."""


def connect(settings: Settings) -> Redis:
    """A pooled client: a blocking wait then has a connection of its own. No I/O yet."""
    return Redis.from_url(
        settings.redis_address(),
        decode_responses=True,
        socket_timeout=_SOCKET_TIMEOUT_S,
        socket_connect_timeout=5,
        socket_keepalive=True,
        health_check_interval=0,
        retry=Retry(ExponentialWithJitterBackoff(base=0.1, cap=2.0), _RETRIES),
        retry_on_error=[BusyLoadingError],
    )


async def check(settings: Settings) -> None:
    """PING once, with a client that does not retry. Raises RedisUnreachable."""
    client = Redis.from_url(
        settings.redis_address(), socket_timeout=5, socket_connect_timeout=5, retry=None
    )
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        raise RedisUnreachable(_explain(settings, error)) from error
    finally:
        await client.aclose()


def address(settings: Settings) -> str:
    """Where Redis is, without user, password and options: for people."""
    parts = urlsplit(settings.redis_address())
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _explain(settings: Settings, error: Exception) -> str:
    where = address(settings)
    if isinstance(error, AuthenticationError) or "NOAUTH" in str(error):
        return f"Redis at {where} refused the password; check it in BULLMQ_REDIS_URL"
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return (
        f"Redis at {where} does not answer ({reason}); check that it runs, that the address in "
        "BULLMQ_REDIS_URL is right (rediss:// for TLS), and that no firewall is in between"
    )
