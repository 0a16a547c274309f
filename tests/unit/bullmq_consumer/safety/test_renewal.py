"""Which locks are renewed together, and whose loss is noticed."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bullmq_consumer.protocol.job import DeliveryKey
from bullmq_consumer.safety.leases import Lease, Leases
from bullmq_consumer.scripts.queue_scripts import Hold

OLDER: DeliveryKey = ("j", "w:1")
NEWER: DeliveryKey = ("j", "w:2")


class Redis:
    """Refuses to renew the job's locks; `holder` is who has it, and the first to ask takes it."""

    def __init__(self, holder: str | None = None) -> None:
        self.holder = holder
        self.asked: list[DeliveryKey] = []

    async def extend(self, held: Sequence[DeliveryKey]) -> list[str]:
        self.asked += held
        return [job_id for job_id, _ in held]

    async def hold(self, job_id: str, token: str) -> Hold:
        self.holder = self.holder or token
        return Hold.OURS if self.holder == token else Hold.OTHERS

    def leases(self) -> Leases:
        scripts: Any = self
        writes: Any = None
        return Leases(scripts, writes, self.extend, timedelta(seconds=30))


def held(leases: Leases, key: DeliveryKey) -> Any:
    return leases.held(key, 0.0, lambda: None)


async def test_a_lost_delivery_takes_no_lock_from_the_newer_one() -> None:
    redis = Redis()
    leases = redis.leases()
    with held(leases, OLDER) as older, held(leases, NEWER) as newer:
        older.lose()
        await leases.renew([OLDER, NEWER])
        assert not newer.is_lost
    assert redis.holder == NEWER[1]
    assert redis.asked == [NEWER]


async def test_a_job_that_another_worker_has_is_lost() -> None:
    redis = Redis(holder="w2:7")
    leases = redis.leases()
    lost: list[Lease] = []
    with held(leases, NEWER) as lease:
        await leases.renew([NEWER])
        lost += [lease] if lease.is_lost else []
    assert lost


async def test_nothing_is_asked_for_what_is_lost_already() -> None:
    redis = Redis()
    leases = redis.leases()
    with held(leases, OLDER) as older:
        older.lose()
        await leases.renew([OLDER])
    assert redis.asked == []
