"""What a round does to VidFab."""

# redis-py types its keyword arguments only in part.
# pyright: reportUnknownMemberType=false

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import RedisError

from sandbox.chaos.arena import Arena
from sandbox.chaos.incidents import REDIS_AWAY
from sandbox.chaos.troubled_supabase import Kind, Trouble
from sandbox.providers.client import IMAGES, RENDERS, TASKS, Control
from sandbox.providers.models import Fault, Match

Run = Callable[[Arena, random.Random], Coroutine[Any, Any, str]]

_SHORT_S = (0.1, 2.0)
_PICTURE_S = (0.4, 3.0)
# Longer than a lock lives (30 s): what was running is taken over when Redis is back.
_LONG_S = (32.0, 36.0)
# A service bridges about 4 s by itself; the rest is up to the job's next attempt.
_SUPABASE_S = (0.5, 8.0)
# Longer than three attempts with short backoffs: what then fails has to settle its rows all the
# same, once the database is back.
_SUPABASE_LONG_S = (10.0, 25.0)

# Round trips to Redis and to Supabase.
_DISTANCES_S = ((0.0, 0.0), (0.02, 0.05), (0.06, 0.12))


@dataclass(frozen=True, slots=True)
class Action:
    """`run` returns what it did, in words. When `alone`, no jobs are added meanwhile."""

    name: str
    weight: float
    run: Run
    alone: bool = False


async def kill_worker(arena: Arena, rng: random.Random) -> str:
    worker = rng.choice(arena.workers)
    if worker.can_be_hurt:
        worker.kill()
    return worker.name


async def stop_worker(arena: Arena, rng: random.Random) -> str:
    worker = rng.choice(arena.workers)
    if worker.can_be_hurt:
        worker.stop()
    return worker.name


async def restart_redis(arena: Arena, rng: random.Random) -> str:
    return await _without_redis(arena, rng.uniform(*_SHORT_S), kill=False)


async def kill_redis(arena: Arena, rng: random.Random) -> str:
    return await _without_redis(arena, rng.uniform(*_SHORT_S), kill=True)


async def long_outage(arena: Arena, rng: random.Random) -> str:
    return await _without_redis(arena, rng.uniform(*_LONG_S), kill=True)


async def kill_connections(arena: Arena, rng: random.Random) -> str:
    """Some of the connections that Redis has, the app's and both workers' among them."""
    share = rng.uniform(0.2, 1.0)
    async with arena.redis.client() as redis:
        own = await redis.client_id()
        others = [one for one in await redis.client_list() if int(one["id"]) != own]
        chosen = [one for one in others if rng.random() < share]
        for one in chosen:
            try:
                await redis.client_kill_filter(_id=one["id"])
            except RedisError:  # it has gone by itself
                continue
    return _noted(arena, "CLIENT KILL", f"{len(chosen)} of {len(others)}")


async def provider_fault(arena: Arena, rng: random.Random) -> str:
    fault = _provider_fault(rng)
    await arena.vidfab.providers.control.add(fault)
    return _noted(arena, "provider fault", _told(fault))


async def slow_provider(arena: Arena, rng: random.Random) -> str:
    """From now on."""
    seconds = rng.uniform(*_PICTURE_S)
    await arena.vidfab.providers.control.delay(IMAGES, seconds)
    return _noted(arena, "slow provider", f"{seconds:.1f} s for a picture")


async def supabase_fault(arena: Arena, rng: random.Random) -> str:
    kinds: Sequence[Kind] = ("500", "503", "reset", "answer lost", "delay")
    lasts = rng.uniform(*_SUPABASE_S) if rng.random() < 0.4 else 0.0
    trouble = Trouble(
        rng.choice(kinds),
        path=rng.choice(("/", "/rest/", "/storage/")),
        times=rng.randint(1, 6),
        seconds=lasts,
    )
    arena.supabase.trouble(trouble)
    return _noted(arena, "Supabase fault", str(trouble), trouble.seconds)


async def supabase_outage(arena: Arena, rng: random.Random) -> str:
    """Rounds go on meanwhile."""
    kinds: Sequence[Kind] = ("503", "reset")
    trouble = Trouble(rng.choice(kinds), seconds=rng.uniform(*_SUPABASE_LONG_S))
    arena.supabase.trouble(trouble)
    return _noted(arena, "Supabase away", str(trouble), trouble.seconds)


async def distance(arena: Arena, rng: random.Random) -> str:
    """From now on, for both workers."""
    redis_s, supabase_s = rng.choice(_DISTANCES_S)
    arena.to_redis.round_trip_s, arena.to_supabase.round_trip_s = redis_s, supabase_s
    return _noted(arena, "distance", f"{redis_s * 1000:g} and {supabase_s * 1000:g} ms")


async def cut_lines(arena: Arena, rng: random.Random) -> str:
    """Break all that is under way on one line, or on both."""
    lines = {"Redis": arena.to_redis, "Supabase": arena.to_supabase}
    chosen = rng.choice((["Redis"], ["Supabase"], [*lines]))
    cut = ", ".join(f"{lines[name].cut()} to {name}" for name in chosen)
    return _noted(arena, "lines cut", cut)


async def nothing(arena: Arena, rng: random.Random) -> str:
    return ""


ACTIONS: Sequence[Action] = (
    Action("kill -9 a worker", 3, kill_worker),
    Action("SIGTERM a worker", 3, stop_worker),
    Action("restart Redis", 2, restart_redis),
    Action("kill Redis", 2, kill_redis),
    Action("Redis away for long", 0.15, long_outage, alone=True),
    Action("CLIENT KILL", 3, kill_connections),
    Action("provider fault", 5, provider_fault),
    Action("slow provider", 2, slow_provider),
    Action("Supabase fault", 4, supabase_fault),
    Action("Supabase away for long", 0.4, supabase_outage),
    Action("distance", 1.5, distance),
    Action("lines cut", 2, cut_lines),
    Action("nothing", 2, nothing),
)


def drawn(rng: random.Random) -> Action:
    return rng.choices(ACTIONS, [action.weight for action in ACTIONS])[0]


async def calm(arena: Arena) -> None:
    """Take back all faults; workers and Redis come back by themselves."""
    arena.supabase.calm()
    arena.to_redis.round_trip_s = arena.to_supabase.round_trip_s = 0
    control: Control = arena.vidfab.providers.control
    await control.clear_faults()
    await control.clear_delays()


def _noted(arena: Arena, kind: str, detail: str, lasts_s: float = 0) -> str:
    """For the histories; kills, stops and outages of Redis note themselves."""
    arena.diary.note(kind, detail, lasts_s)
    return detail


async def _without_redis(arena: Arena, seconds: float, *, kill: bool) -> str:
    redis = arena.vidfab.redis
    with arena.diary.lasting(REDIS_AWAY):
        await (redis.kill() if kill else redis.stop())
        await asyncio.sleep(seconds)
        await redis.start()
    return f"{seconds:.1f} s"


_API_PATHS = (IMAGES, f"{TASKS}/*", RENDERS, f"{RENDERS}/*")
_MEDIA_PATHS = ("/img/*", "/tasks/*", "/clip/*", "/shotstack/*.mp4")
_STATUSES = (429, 500, 502, 503, 504)


def _provider_fault(rng: random.Random) -> Fault:
    """Once or a few times, beginning with one of the next calls.

    Some purchases are `accepted`: paid for, and the answer does not come.
    """
    path = rng.choice((*_API_PATHS, *_MEDIA_PATHS))
    kind = rng.choice(("status", "status", "truncated", "reset", "delay"))
    status = rng.choice(_STATUSES)
    wait = {"Retry-After": "1"} if status == 429 and rng.random() < 0.5 else {}
    is_bought = path in {IMAGES, RENDERS} and kind in {"status", "reset"} and status != 429
    return Fault(
        match=Match(path=path),
        nth=rng.randint(1, 3),
        times=rng.randint(1, 3),
        status=status if kind == "status" else None,
        headers=wait if kind == "status" else {},
        truncate_bytes=rng.randint(0, 4000) if kind == "truncated" else None,
        reset=kind == "reset",
        delay_s=rng.uniform(1, 4) if kind == "delay" else None,
        accepted=is_bought and rng.random() < 0.3,
    )


def _told(fault: Fault) -> str:
    what = (
        f"{fault.status}{' with Retry-After' if fault.headers else ''}" if fault.status else None,
        f"cut after {fault.truncate_bytes} bytes" if fault.truncate_bytes is not None else None,
        "reset" if fault.reset else None,
        f"{fault.delay_s:.1f} s later" if fault.delay_s else None,
        "but billed" if fault.accepted else None,
    )
    return f"{fault.match.path} {' '.join(filter(None, what))} {fault.times} times"
