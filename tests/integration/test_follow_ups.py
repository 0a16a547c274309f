"""Jobs that a running job adds, with the real Redis and the library's queue."""

from uuid import uuid4

from bullmq import Queue

from bullmq_consumer.engine.handle import LiveHandle
from bullmq_consumer.engine.queues import Queues
from bullmq_consumer.health.log_throttle import LogThrottle
from bullmq_consumer.new_job import JobDefaults, NewJob
from bullmq_consumer.protocol.commands import Commands, TakeOptions
from bullmq_consumer.protocol.job import read_job
from bullmq_consumer.queue_name import QueueName
from bullmq_consumer.redis.address import RedisAddress
from bullmq_consumer.redis.clients import connect
from bullmq_consumer.redis.clock import RedisClock
from bullmq_consumer.safety.durable_writes import DurableWrites
from bullmq_consumer.safety.leases import Lease
from bullmq_consumer.scripts.queue_scripts import Hold, QueueScripts
from sandbox.vidfab import VidFab


async def held() -> Hold:
    return Hold.OURS


async def test_a_finished_job_is_replaced_and_an_open_one_stays(vidfab: VidFab) -> None:
    name = QueueName(f"q-{uuid4().hex}")
    redis = connect(RedisAddress(vidfab.redis.url))
    queue = Queue(name.name, {"connection": redis, "prefix": name.prefix})
    scripts = QueueScripts(redis, name)
    job = read_job({}, "j", "t", 0.0)
    lease = Lease("j", held, lambda: None, 0.0, lambda: 0.0)
    writes = DurableWrites(scripts, LogThrottle("Redis"))
    commands = Commands(redis, name, TakeOptions(worker="w", lock_ms=30_000), RedisClock(redis))
    handle = LiveHandle(Queues(redis, name), job, lease, JobDefaults(), scripts, writes, commands)
    for job_id in ("finished", "open"):
        await queue.add("x", {"from": "before"}, {"jobId": job_id, "priority": 1})
    await redis.hset(name.key("finished"), "finishedOn", 1)
    await redis.zrem(name.key("prioritized"), "finished")
    await redis.zadd(name.key("completed"), {"finished": 1})

    added = [NewJob("x", one, {"from": "after"}, priority=2) for one in ("finished", "open")]
    await handle.add_jobs(added)

    assert await redis.zrange(name.key("completed"), 0, -1) == []
    assert await redis.zrange(name.key("prioritized"), 0, -1) == ["open", "finished"]
    kept = [await redis.hget(name.key(one), "data") for one in ("finished", "open")]
    assert kept == ['{"from":"after"}', '{"from":"before"}']
    await redis.aclose()
