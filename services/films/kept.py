"""What was paid for of a film, kept by project: it outlives the job that a person removes.

    begin ──> order ──> stored        each replaces what is kept of another timeline
                └─────> forget        the render failed, or nobody knows it any more

A hash in the queue's Redis, `bull:{queue}:vidfab:film:{project}`, for a day after its last write.
Its `timeline` is a fingerprint, and what is kept of another one is not found. While a worker orders
a render it holds the `claim`, which lapses soon after the worker died.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast
from uuid import uuid4

from redis.asyncio import Redis

from bullmq_consumer.health.log_throttle import LogThrottle
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.safety.durable_writes import DurableWrites
from bullmq_consumer.scripts.queue_scripts import QueueScripts
from core.paths import RowId
from services.films.renders import Order

LIFE = timedelta(hours=24)
"""As long as Shotstack keeps a film, and our record of it."""
CLAIM = timedelta(seconds=30)
"""How long an order may be under way without a sign of its worker."""

# Twice, before the claim lapses.
_RENEWALS = 3

# Take the claim, or renew one's own. ARGV: token, ms.
# Returns all that is kept when it is this token's now, else nil.
_TAKE_CLAIM = """
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local claim = redis.call("HMGET", KEYS[1], "claim", "claimed_until")
if claim[1] and claim[1] ~= ARGV[1] and tonumber(claim[2]) > now then return nil end
redis.call("HSET", KEYS[1], "claim", ARGV[1], "claimed_until", now + ARGV[2])
if redis.call("PTTL", KEYS[1]) < tonumber(ARGV[2]) then redis.call("PEXPIRE", KEYS[1], ARGV[2]) end
return redis.call("HGETALL", KEYS[1])
"""

# Give up the claim. ARGV: token.
_LEAVE_CLAIM = """
if redis.call("HGET", KEYS[1], "claim") == ARGV[1] then
  redis.call("HDEL", KEYS[1], "claim", "claimed_until")
end
"""

# Give up the claim, and keep the beginning of a film in place of an older one. ARGV: token,
# timeline, when, render or "", ms. A worker that is late does not replace what was begun after it.
_BEGIN = f"""{_LEAVE_CLAIM}
local kept = redis.call("HMGET", KEYS[1], "timeline", "begun_at")
local is_other = kept[1] and kept[1] ~= ARGV[2]
if is_other and tonumber(kept[2]) > tonumber(ARGV[3]) then return end
redis.call("HDEL", KEYS[1], "render", "stored")
redis.call("HSET", KEYS[1], "timeline", ARGV[2], "begun_at", ARGV[3])
if ARGV[4] ~= "" then redis.call("HSET", KEYS[1], "render", ARGV[4]) end
redis.call("PEXPIRE", KEYS[1], ARGV[5])
"""

# Keep the result of a stored film, unless another one was begun. ARGV: timeline, result, ms.
_STORED = """
if redis.call("HGET", KEYS[1], "timeline") ~= ARGV[1] then return end
redis.call("HSET", KEYS[1], "stored", ARGV[2])
redis.call("PEXPIRE", KEYS[1], ARGV[3])
"""

# Forget a render, unless another one is kept. ARGV: render.
_FORGET = """
if redis.call("HGET", KEYS[1], "render") == ARGV[1] then
  redis.call("HDEL", KEYS[1], "timeline", "begun_at", "render", "stored")
end
"""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one film: its render, and the result of the job that stored it, as JSON."""

    order: Order | None = None
    stored: str | None = None


class KeptFilms:
    """Of all projects of a queue. What is written here is written once Redis takes it."""

    def __init__(self, redis: Redis, queue: QueueName) -> None:
        self._redis = redis
        self._queue = queue
        errors = LogThrottle("The record of what was paid for reports")
        self._writes = DurableWrites(QueueScripts(redis, queue), errors)
        self._take_claim = redis.register_script(_TAKE_CLAIM)
        self._leave_claim = redis.register_script(_LEAVE_CLAIM)
        self._begin = redis.register_script(_BEGIN)
        self._stored = redis.register_script(_STORED)
        self._forget = redis.register_script(_FORGET)

    def of(self, project_id: RowId, timeline: str) -> "KeptFilm":
        """What is kept of one project's film; `timeline` is its fingerprint."""
        return KeptFilm(self, project_id, timeline)

    def key(self, project_id: RowId) -> str:
        """The key in Redis."""
        return self._queue.key(f"vidfab:film:{project_id}")

    async def read(self, project_id: RowId) -> dict[str, str]:
        """The hash. Raises RedisError or OSError after 15 minutes without Redis."""
        fields = await self._durably(
            lambda: cast("Awaitable[Any]", self._redis.hgetall(self.key(project_id)))
        )
        return cast("dict[str, str]", fields)

    async def take_claim(self, project_id: RowId, token: str) -> dict[str, str] | None:
        """Claim the next order for `token`, or renew that; None while another one has it.

        Returns the hash as it is then.
        """
        ms = CLAIM // timedelta(milliseconds=1)
        flat: list[str] | None = await self._call(self._take_claim, project_id, token, ms)
        return None if flat is None else dict(zip(flat[::2], flat[1::2], strict=True))

    async def leave_claim(self, project_id: RowId, token: str) -> None:
        """Let others order."""
        await self._call(self._leave_claim, project_id, token)

    async def begin(
        self, project_id: RowId, timeline: str, at: float, render: str = "", token: str = ""
    ) -> None:
        """Keep that a film was begun, and its render if one was ordered; leaves `token`'s claim."""
        await self._call(self._begin, project_id, token, timeline, at, render, _LIFE_MS)

    async def store(self, project_id: RowId, timeline: str, result: str) -> None:
        """Keep the result of the film that was stored."""
        await self._call(self._stored, project_id, timeline, result, _LIFE_MS)

    async def forget(self, project_id: RowId, render: str) -> None:
        """Forget a render of which no film will come."""
        await self._call(self._forget, project_id, render)

    async def _call(self, script: Any, project_id: RowId, *args: str | float) -> Any:
        return await self._durably(lambda: script(keys=[self.key(project_id)], args=args))

    async def _durably(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        return await self._writes.until_acknowledged(call)


_LIFE_MS = LIFE // timedelta(milliseconds=1)


class KeptFilm:
    """What is kept of one film, as one attempt uses it.

    All methods raise RedisError or OSError after 15 minutes without Redis.
    """

    def __init__(self, films: KeptFilms, project_id: RowId, timeline: str) -> None:
        self._films = films
        self._project_id = project_id
        self._timeline = timeline
        self._token = uuid4().hex
        self._renewing: asyncio.Task[None] | None = None
        self._has_claim = False

    async def find(self) -> Kept:
        """What is kept of this film; nothing where the project's last one was another."""
        return self.found_in(await self._films.read(self._project_id))

    def found_in(self, fields: Mapping[str, str]) -> Kept:
        """The same, of what `KeptFilms.read` has read."""
        if fields.get("timeline") != self._timeline:
            return Kept()
        return Kept(_order_of(fields), fields.get("stored"))

    async def claim(self) -> Kept | None:
        """Claim the next order; None while another worker places one.

        Returns what is kept under the claim: the order of another worker, if it placed one.
        """
        fields = await self._films.take_claim(self._project_id, self._token)
        return None if fields is None else self.found_in(fields)

    @asynccontextmanager
    async def claimed(self) -> AsyncGenerator[None]:
        """Keep the claim until an order is kept or the block ends."""
        self._has_claim = True
        self._renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            await self._end_renewals()
            if self._has_claim:
                await self._films.leave_claim(self._project_id, self._token)

    async def begin(self, at: float) -> None:
        """Before what is stored of another film is overwritten; `at` in seconds since the epoch."""
        await self._films.begin(self._project_id, self._timeline, at)

    async def keep(self, order: Order) -> None:
        """Keep an order, before its render is waited for. By the same write the claim is left."""
        await self._end_renewals()
        await self._films.begin(self._project_id, self._timeline, order.at, order.id, self._token)
        self._has_claim = False

    async def keep_stored(self, result: str) -> None:
        """Keep a result, as JSON, once its film is stored."""
        await self._films.store(self._project_id, self._timeline, result)

    async def forget(self, order: Order) -> None:
        """Forget an order of which no film will come."""
        await self._films.forget(self._project_id, order.id)

    async def _end_renewals(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            # What it failed of, if it did, ends the next call as well.
            await asyncio.gather(self._renewing, return_exceptions=True)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(CLAIM.total_seconds() / _RENEWALS)
            await self.claim()


def _order_of(fields: Mapping[str, str]) -> Order | None:
    render, at = fields.get("render"), fields.get("begun_at")
    return Order(render, float(at)) if render and at else None
