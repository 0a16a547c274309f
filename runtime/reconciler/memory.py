"""What the rounds remember of rows in Redis, under keys of our own that expire."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis

from bullmq_consumer.inspect.states import QueueState

# The file at the provider is gone by then; a row that is touched later still is no new file.
_KEPT = timedelta(hours=48)


class Remembered(BaseModel):
    """Of a file that is not stored: since when there is one, and what was done about it."""

    model_config = ConfigDict(frozen=True)

    born: datetime
    tries: int = 0
    due: datetime
    alerted: bool = False


class Memory:
    """Of all rows of one queue's rounds. All methods raise RedisError and OSError."""

    def __init__(self, redis: Redis, queue: QueueState) -> None:
        # redis-py types its commands only in part.
        self._redis: Any = redis
        self._queue = queue

    async def recall(self, names: Sequence[str]) -> list[Remembered | None]:
        """What is remembered under each of the names."""
        if not names:
            return []
        texts = await self._redis.mget([self._key(name) for name in names])
        return [_read(text) for text in texts]

    async def keep(self, remembered: Mapping[str, Remembered]) -> None:
        """Remember these under their names."""
        if not remembered:
            return
        async with self._redis.pipeline(transaction=False) as pipe:
            for name, one in remembered.items():
                pipe.set(self._key(name), one.model_dump_json(), px=_KEPT)
            await pipe.execute()

    async def unpaused(self, names: Sequence[str]) -> list[str]:
        """Those of the names that do not pause."""
        if not names:
            return []
        found = await self._redis.mget([self._key(name) for name in names])
        return [name for name, text in zip(names, found, strict=True) if not text]

    async def pause(self, names: Mapping[str, timedelta]) -> None:
        """Have each of the names pause for so long."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for name, pause in names.items():
                pipe.set(self._key(name), "1", px=pause)
            await pipe.execute()

    async def mark(self, name: str) -> str | None:
        """How far a row-by-row task has come, as it wrote it; None when that is not known."""
        return await self._redis.get(self._key(name))

    async def set_mark(self, name: str, reached: str, kept: timedelta) -> None:
        """Remember for so long how far a task has come."""
        await self._redis.set(self._key(name), reached, px=kept)

    def _key(self, name: str) -> str:
        return self._queue.key(f"vidfab:{name}")


def _read(text: str | None) -> Remembered | None:
    try:
        return Remembered.model_validate_json(text) if text else None
    except ValidationError:
        return None
