"""One kind of repair: what the reconciler does in each of its rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from redis.asyncio import Redis

from bullmq_consumer.engine.adding import Adder
from bullmq_consumer.inspect.states import QueueState
from core.alert import AlertSink, no_alerts
from services.bundle import Services


@dataclass(frozen=True, slots=True)
class Tools:
    """What parts are made of. `age` is how long a project may be without its job."""

    redis: Redis
    queue: QueueState
    adder: Adder
    services: Services
    age: timedelta
    notify: AlertSink = no_alerts


class Part(Protocol):
    """A kind of repair. Parts know nothing of each other: one that fails stops no other."""

    async def work(self, now: datetime) -> Sequence[str]:
        """Repair what there is to repair, and return what was done, as the round's line says it.

        Raises ServiceError, ProviderDown, RedisError or OSError; the next round does the rest.
        """
        ...
