"""Secrets looked for where they must not be: in Redis, rows, storage and logs, in any spelling."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from redis.asyncio import Redis

from sandbox.providers import keys
from sandbox.supabase import BUCKETS, SupabaseLite
from sandbox.vidfab import VidFab
from tests.support.site import Site

# Those with texts that the worker writes.
TABLES = (
    *("user_videos", "user_storage_quotas", "video_agent_projects"),
    *("project_shots", "project_storyboards", "project_video_clips"),
)


def planted(vidfab: VidFab) -> tuple[str, ...]:
    """The secrets that every worker of the sandbox may have."""
    return (
        vidfab.supabase.service_key,
        *(keys.BYTEPLUS, keys.SHOTSTACK, keys.WAVESPEED, keys.GOOGLE),
    )


def forms(secret: str) -> set[str]:
    """Spellings of use to somebody; of base64 the middle, whatever lies before it."""
    plain = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], escape(secret)}
    middles = {
        b64encode(b" " * before + secret.encode()).decode()[4:-4]
        for before in range(3)
        if len(secret) > 9
    }
    return plain | middles | {quote(secret), quote(secret, safe=""), quote_plus(secret)}


def found(secrets: Iterable[str], places: Mapping[str, str]) -> list[tuple[str, str]]:
    """(place, what stands around it) of each secret."""
    return [
        (place, text[max(0, at - 60) : at + 60])
        for place, text in places.items()
        for secret in secrets
        for form in forms(secret)
        if (at := text.find(form)) >= 0
    ]


async def in_redis(url: str, match: str = "*") -> dict[str, str]:
    """Every key with all that it holds."""
    async with Redis.from_url(url) as redis:
        names = [name async for name in redis.scan_iter(match, count=1000)]
        async with redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.type(name)
            kinds = await pipe.execute()
            for name, kind in zip(names, kinds, strict=True):
                _ask(pipe, name, kind.decode())
            answers = await pipe.execute()
    return {
        name.decode(errors="replace"): "\n".join(_texts([name, answer]))
        for name, answer in zip(names, answers, strict=True)
    }


async def left_by(site: Site) -> list[tuple[str, str]]:
    """What a test left of the sandbox's secrets in its queue, in rows and in logs."""
    places = in_logs(site.folder) | await in_rows(site.vidfab.supabase)
    places |= await in_redis(site.vidfab.redis.url, f"bull:{site.queue}:*")
    return found(set(planted(site.vidfab)) - site.told, places)


def _ask(pipe: Any, name: bytes, kind: str) -> None:
    match kind:
        case "hash":
            pipe.hgetall(name)
        case "list":
            pipe.lrange(name, 0, -1)
        case "set":
            pipe.smembers(name)
        case "zset":
            pipe.zrange(name, 0, -1)
        case "stream":
            pipe.xrange(name)
        case _:
            pipe.get(name)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case bytes():
            yield value.decode(errors="replace")
        case Mapping():
            for pair in value.items():
                yield from _texts(pair)
        case list() | tuple() | set():
            for one in value:
                yield from _texts(one)
        case _:
            yield str(value)


async def in_rows(supabase: SupabaseLite) -> dict[str, str]:
    """Every row of the tables that the worker writes to."""
    found = await asyncio.gather(*(supabase.rows(table) for table in TABLES))
    return {table: json.dumps(rows) for table, rows in zip(TABLES, found, strict=True)}


async def in_storage(supabase: SupabaseLite) -> dict[str, str]:
    """The names of all objects, and what storage keeps with them."""
    places: dict[str, str] = {}
    for bucket in BUCKETS:
        path = f"/storage/v1/object/list/{bucket}"
        places[bucket] = str([one async for one in _objects(supabase, path, "")])
    return places


async def _objects(supabase: SupabaseLite, path: str, prefix: str) -> Any:
    for one in await supabase.request("POST", path, json={"prefix": prefix, "limit": 1000}):
        if one.get("id") is None:
            async for inner in _objects(supabase, path, f"{prefix}{one['name']}/"):
                yield inner
        else:
            yield prefix, one


def in_logs(folder: Path) -> dict[str, str]:
    """Everything that the processes of a test wrote; their .env files are no logs."""
    return {file.name: file.read_text("utf-8", "replace") for file in folder.glob("*.log")}
