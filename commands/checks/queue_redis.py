"""The queue's Redis: whether it answers, loses no data, and allows the worker's commands."""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Mapping
from statistics import median
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from redis.exceptions import RedisError, ResponseError

from bullmq_consumer.redis.advice import remedy_of
from bullmq_consumer.redis.clients import (
    NAMELESS,
    OLDEST_VERSION,
    connect_briefly,
    explain,
)
from commands.checks.finding import Finding, failed, ok, warning
from config.consumer import UNCHECKED, queue_of, redis_of
from config.settings import Settings
from services.codes.kept import kept

AREA = "Redis"
_PINGS = 5
# 0 would block for ever.
_SHORT_S = 0.01
# A job takes some ten round trips: from this latency on they are noticeable.
_SLOW_MS = 50
_MIB = 1024 * 1024
_REPORT_CODES = (
    "They were judged by their HTTP status; add them to services/codes, with what they mean"
)


async def check(settings: Settings) -> list[Finding]:
    """All checks of Redis, each on its own."""
    address = redis_of(settings)
    redis: Any = connect_briefly(address)
    try:
        await redis.ping()
        info = await _info(redis)
        return [
            _version(settings, info),
            _policy(info),
            _memory(info),
            *_role(info),
            await _scripts(redis, settings),
            await _waiting(redis, settings),
            *await _naming(redis),
            await _latency(redis),
            await _privacy(settings),
            *await _unknown_codes(redis, settings),
        ]
    except (RedisError, OSError) as error:
        return [failed(AREA, str(explain(address, error)))]
    finally:
        await redis.aclose()


async def _info(redis: Any) -> Mapping[str, Any]:
    """The fields of INFO; empty where the host does not allow it."""
    try:
        return await redis.info()
    except ResponseError:  # NOPERM is one, too
        return {}


def _version(settings: Settings, info: Mapping[str, Any]) -> Finding:
    where = redis_of(settings)
    version = str(info.get("redis_version", ""))
    if not version:
        return ok(AREA, f"PONG from {where}, which does not report its version")
    if _numbers(version) < _numbers(OLDEST_VERSION):
        return failed(AREA, f"{where} is Redis {version}", "Use Redis 6.2 or newer")
    return ok(AREA, f"PONG from {where}, Redis {version}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _policy(info: Mapping[str, Any]) -> Finding:
    policy = info.get("maxmemory_policy")
    if policy is None:
        return warning(
            AREA,
            "maxmemory-policy unknown: this host does not report it",
            "Check in the host's console that eviction is off (noeviction)",
        )
    if policy != "noeviction":
        return failed(
            AREA,
            f"maxmemory-policy is {policy}: a full Redis would evict jobs",
            "Set it to noeviction (CONFIG SET maxmemory-policy noeviction, and in redis.conf)",
        )
    return ok(AREA, "maxmemory-policy noeviction")


def _memory(info: Mapping[str, Any]) -> Finding:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if not used:
        return ok(AREA, "Memory in use is not reported")
    if not most:
        return ok(AREA, f"{used / _MIB:.0f} MiB in use, no limit")
    text = f"{used / _MIB:.0f} of {most / _MIB:.0f} MiB in use"
    if used > 0.9 * most:
        return warning(AREA, text, "Give it more memory: when it is full no job can be added")
    return ok(AREA, text)


def _role(info: Mapping[str, Any]) -> list[Finding]:
    if info.get("role") != "slave":
        return []
    return [failed(AREA, "It is a read-only replica", "Use the address of its primary")]


async def _scripts(redis: Any, settings: Settings) -> Finding:
    """Check scripts as the worker runs them: by hash, on several keys."""
    keys = [queue_of(settings).key(name) for name in ("meta", "wait")]
    script = redis.register_script("return redis.call('EXISTS', KEYS[1], KEYS[2])")
    try:
        await redis.script_load(script.script)
        await script(keys=keys)
    except ResponseError as error:
        allow = f"Allow the user EVALSHA and SCRIPT, and the keys {queue_of(settings).key('*')}"
        text = f"Scripts on the queue's keys are refused ({error})"
        return failed(AREA, text, _remedy(error, allow))
    return ok(AREA, "Scripts on the queue's keys are allowed")


async def _waiting(redis: Any, settings: Settings) -> Finding:
    """Check the blocking wait, on an unused key, so that no job is taken."""
    try:
        await redis.bzpopmin(queue_of(settings).key(f"check-{uuid4().hex}"), _SHORT_S)
    except ResponseError as error:
        text = f"The wait for jobs is refused ({error})"
        allow = "Allow the user BZPOPMIN, and use the address of the primary"
        return failed(AREA, text, _remedy(error, allow))
    return ok(AREA, "The wait for jobs is allowed")


def _remedy(error: ResponseError, otherwise: str) -> str:
    """A sentence of its own; `otherwise` unless Redis itself says more than that it refuses."""
    remedy = remedy_of(error) or otherwise
    return remedy[0].upper() + remedy[1:]


async def _naming(redis: Any) -> list[Finding]:
    try:
        await redis.client_setname("check")
    except ResponseError:
        return [warning(AREA, NAMELESS, "Allow the user CLIENT; jobs are taken without it too")]
    return []


async def _latency(redis: Any) -> Finding:
    times: list[float] = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        await redis.ping()
        times.append((time.perf_counter() - began) * 1000)
    text = f"Answers within {median(times):.1f} ms (median of {_PINGS})"
    if median(times) > _SLOW_MS:
        return warning(AREA, text, "Run the worker in the region of its Redis")
    return ok(AREA, text)


async def _privacy(settings: Settings) -> Finding:
    parts = urlsplit(settings.redis_address())
    if redis_of(settings).is_unchecked:
        remedy = "Name the root of its certificate in SSL_CERT_FILE instead"
        return warning(AREA, UNCHECKED, remedy)
    if parts.scheme != "redis":
        return ok(AREA, "Over TLS" if parts.scheme == "rediss" else "Over a socket of this machine")
    if await _is_private(parts.hostname or "localhost"):
        return ok(AREA, "Without TLS, on a private address")
    return warning(
        AREA,
        "Without TLS over a public network: the password and all jobs can be intercepted",
        "Use the rediss:// address of this Redis",
    )


async def _unknown_codes(redis: Any, settings: Settings) -> list[Finding]:
    """Name what services answered in the last weeks that no table of this worker names."""
    try:
        found = await kept(redis, queue_of(settings))
    except ResponseError:  # the user may not read it: jobs need none of it
        return []
    return [warning(AREA, _met(*one), _REPORT_CODES) for one in found.items()]


def _met(service: str, codes: Mapping[str, int]) -> str:
    count = "1 code" if len(codes) == 1 else f"{len(codes)} codes"
    named = ", ".join(f"{code} ({times}×)" for code, times in sorted(codes.items()))
    return f"{service} answered {count} that this worker does not know: {named}"


async def _is_private(host: str) -> bool:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return all(ipaddress.ip_address(entry[4][0]).is_private for entry in found)
