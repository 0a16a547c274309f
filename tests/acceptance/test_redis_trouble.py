"""The worker as a process whose Redis is late, refuses, or falls silent."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis
from redis.exceptions import ReadOnlyError

from sandbox.processes import LOOPBACK, PATIENCE_S, Process, free_port, logged
from sandbox.producer import NodeApp
from sandbox.redis import RedisServer
from sandbox.worker_process import READY, new_worker, start_worker
from tests.support.proxy import Proxy
from tests.support.stopwatch import Stopwatch

QUEUE = "q"


def settings(url: str) -> dict[str, str]:
    """No job here asks for the database."""
    return {
        "BULLMQ_REDIS_URL": url,
        "QUEUE_PREFIX": QUEUE,
        "SUPABASE_URL": f"http://{LOOPBACK}:1",
        "SUPABASE_SERVICE_KEY": "sb_secret_unused",
    }


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    async with RedisServer() as server:
        yield server


@pytest.fixture
async def app(redis: RedisServer) -> AsyncIterator[NodeApp]:
    async with NodeApp(redis.url, QUEUE) as app:
        await app.observe()
        yield app


async def add(app: NodeApp) -> str:
    data = {"userId": str(uuid4()), "operation": "add"}
    return await app.add("update_quota", data, {"priority": 4, "removeOnComplete": True})


async def completed(app: NodeApp, worker: Process, within_s: float = 5) -> None:
    watch = Stopwatch(worker)
    await app.wait_for(await add(app), "completed")
    assert watch.seconds() < within_s


async def idle(redis: RedisServer) -> None:
    """Until the worker waits for jobs: it asks once more after the last one."""
    async with asyncio.timeout(PATIENCE_S), Redis.from_url(redis.url) as client:
        while not any(  # noqa: ASYNC110 (Redis tells nobody)
            one["cmd"] == "bzpopmin" and "b" in one["flags"] for one in await client.client_list()
        ):
            await asyncio.sleep(0.02)


async def line(worker: Process, text: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while text not in worker.log.read_text("utf-8"):  # noqa: ASYNC110 (a file)
            await asyncio.sleep(0.02)


# -- started before Redis -----------------------------------------------------------------------


async def test_a_worker_waits_for_a_redis_that_comes_later(tmp_path: Path) -> None:
    redis = RedisServer()
    worker = new_worker(settings(redis.url), tmp_path)
    try:
        await worker.start(logged(worker.log, "Still no Redis"))
        async with redis, NodeApp(redis.url, QUEUE) as app:
            await app.observe()
            start = Stopwatch(worker, redis.process)
            await line(worker, READY)
            assert start.seconds() < 11  # the longest wait is 10 s
            await completed(app, worker)
    finally:
        await worker.stop()
    log = worker.log.read_text("utf-8")
    assert log.count("check that it runs") == 1
    assert f"Redis at redis://{LOOPBACK}:{redis.port}/0 does not answer" in log
    assert "❌" not in log
    assert "Traceback" not in log


async def test_a_supervisor_may_want_to_wait_itself(tmp_path: Path) -> None:
    url = f"redis://:pass-word@{LOOPBACK}:{free_port()}/0"
    worker = new_worker(settings(url), tmp_path, "--exit-on-no-redis")
    await worker.start()
    code, took_s = await Stopwatch(worker).end_of(worker)
    assert code == 1
    assert took_s < 15
    log = worker.log.read_text("utf-8")
    assert log.count(f"❌ Worker startup failed: Redis at redis://{LOOPBACK}:") == 1
    assert "pass-word" not in log
    assert "next try" not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_signal_ends_the_wait(tmp_path: Path, number: signal.Signals) -> None:
    worker = new_worker(settings(f"redis://{LOOPBACK}:{free_port()}/0"), tmp_path)
    await worker.start(logged(worker.log, "Waiting for it"))
    stop = Stopwatch(worker)
    worker.signal(number)
    code, took_s = await stop.end_of(worker)
    assert code == 0
    assert took_s < 3
    assert "✅ Worker stopped gracefully" in worker.log.read_text("utf-8")


async def test_a_wrong_password_is_not_waited_for(redis: RedisServer, tmp_path: Path) -> None:
    async with Redis.from_url(redis.url) as client:
        await client.config_set("requirepass", "the-right-one")
    said = {"": "wants a password", ":the-wrong-one@": "refused the password"}
    for password, what in said.items():
        worker = new_worker(settings(f"redis://{password}{LOOPBACK}:{redis.port}/0"), tmp_path)
        await worker.start()
        code, took_s = await Stopwatch(worker).end_of(worker)
        assert code == 1
        assert took_s < 15
        log = worker.log.read_text("utf-8")
        assert f"{what}; check it in BULLMQ_REDIS_URL" in log


# -- Redis answers with errors ------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """How a Redis comes to refuse, how it recovers, and what an operator reads meanwhile."""

    begins: tuple[str, ...]
    ends: tuple[str, ...]
    said: str


TROUBLES = {
    "read-only replica": Trouble(
        ("REPLICAOF", LOOPBACK, str(free_port())),
        ("REPLICAOF", "NO", "ONE"),
        "it is a read-only replica",
    ),
    "out of memory": Trouble(
        ("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), "memory is full"
    ),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_a_redis_that_refuses_is_survived(
    redis: RedisServer, app: NodeApp, tmp_path: Path, name: str
) -> None:
    trouble = TROUBLES[name]
    async with Redis.from_url(redis.url) as client:
        job_id = await add(app)
        await client.execute_command(*trouble.begins)
        worker = await start_worker(settings(redis.url), tmp_path)
        await line(worker, trouble.said)
        await asyncio.sleep(3)  # the library reports ten times a second for each free place
        assert worker.log.read_text("utf-8").count(trouble.said) == 1
        await client.execute_command(*trouble.ends)
        recovery = Stopwatch(worker, redis.process)
        await app.wait_for(job_id, "completed")
        await line(worker, "Redis works again after")
        assert recovery.seconds() < 5
    assert await worker.stop() == 0


# -- Redis grants fewer rights ------------------------------------------------------------------


async def grant(redis: RedisServer, *rights: str) -> str:
    """The address for a user of these rights."""
    async with Redis.from_url(redis.url) as admin:
        await admin.execute_command("ACL", "SETUSER", "w", "on", ">pw", "~*", "&*", *rights)
    return redis.url.replace("redis://", "redis://w:pw@")


@pytest.mark.parametrize("without", ["-info", "-time", "-client", "-info -time -client"])
async def test_rights_that_are_not_needed(
    redis: RedisServer, app: NodeApp, tmp_path: Path, without: str
) -> None:
    """TIME is asked for the time, CLIENT for a name: jobs are taken without either."""
    url = await grant(redis, "+@all", *without.split())
    worker = await start_worker(settings(url), tmp_path)
    try:
        await completed(app, worker)
        await idle(redis)
        await completed(app, worker)  # which wakes it
    finally:
        assert await worker.stop() == 0
    log = worker.log.read_text("utf-8")
    assert "Traceback" not in log
    assert log.count("does not let the worker set its name") == ("-client" in without)
    assert log.count("does not tell the worker its time") == ("-time" in without)


async def answer(port: int, path: str) -> tuple[int, dict[str, str]]:
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        found = await client.get(f"http://{LOOPBACK}:{port}{path}")
    return found.status_code, found.json()


async def ready(port: int, status: int) -> dict[str, str]:
    """Until /readyz answers so."""
    async with asyncio.timeout(PATIENCE_S):
        while (found := await answer(port, "/readyz"))[0] != status:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    return found[1]


@pytest.mark.parametrize(
    ("begins", "ends", "said"),
    [
        ("ACL SETUSER w -evalsha -eval", "ACL SETUSER w +evalsha +eval", "no permissions"),
        ("ACL SETUSER w -bzpopmin -evalsha", "ACL SETUSER w +@all", "no permissions"),
        (f"REPLICAOF {LOOPBACK} {free_port()}", "REPLICAOF NO ONE", "read only replica"),
    ],
    ids=["a right", "two rights", "read-only"],
)
async def test_a_worker_is_not_ready_while_every_fetch_is_refused(
    redis: RedisServer, app: NodeApp, tmp_path: Path, begins: str, ends: str, said: str
) -> None:
    """It is alive: a new one would be refused in the same way. What comes meanwhile is not lost."""
    port = free_port()
    url = await grant(redis, "+@all")
    worker = await start_worker({**settings(url), "HEALTH_PORT": str(port)}, tmp_path)
    try:
        await completed(app, worker)
        await idle(redis)
        assert await ready(port, 200) == {"status": "ready"}
        async with Redis.from_url(redis.url) as admin:
            await admin.execute_command(*begins.split())
            with suppress(ReadOnlyError):  # which wakes all that wait by itself
                await admin.zadd(f"bull:{QUEUE}:marker", {"0": 0})
            trouble = Stopwatch(worker, redis.process)
            refused = await ready(port, 503)
            assert trouble.seconds() < 15
            assert refused["status"] == "redis-refuses"
            assert said in refused["reason"]
            await asyncio.sleep(1.5)  # and stays so, whatever else Redis answers
            assert (await answer(port, "/readyz"))[0] == 503
            assert (await answer(port, "/livez"))[0] == 200
            await admin.execute_command(*ends.split())
        recovery = Stopwatch(worker, redis.process)
        await ready(port, 200)
        assert recovery.seconds() < 5
        await completed(app, worker)
    finally:
        assert await worker.stop() == 0


# -- Redis falls silent -------------------------------------------------------------------------


async def test_half_open_connections_are_noticed(
    redis: RedisServer, app: NodeApp, tmp_path: Path
) -> None:
    """As when a firewall forgets them: nothing arrives any more, and no end either.

    The next stalled check is the first that waits for an answer, long before the wait for jobs.
    """
    async with Proxy(redis.port) as proxy:
        worker = await start_worker(settings(f"redis://{LOOPBACK}:{proxy.port}/0"), tmp_path)
        await completed(app, worker)
        await asyncio.sleep(0.5)  # so that it waits again, with a whole wait before it
        proxy.freeze()
        await completed(app, worker, 60)
        await completed(app, worker)
        await worker.stop()


# In what Redis is sent for a fetch and for an end that fetches: how many keys they name.
FETCH, END, WAIT = b"\r\n$2\r\n11\r\n", b"\r\n$2\r\n14\r\n", b"BZPOPMIN"


async def test_a_job_whose_delivery_was_lost_runs_soon(
    redis: RedisServer, app: NodeApp, tmp_path: Path
) -> None:
    """It is active and nobody's: the stalled check would bring it back after 30 to 60 s."""
    async with Proxy(redis.port) as proxy:
        url = f"redis://{LOOPBACK}:{proxy.port}/0"
        worker = await start_worker({**settings(url), "QUEUE_CONCURRENCY": "1"}, tmp_path)
        try:
            await completed(app, worker)  # Redis knows the scripts from now on
            await idle(redis)
            proxy.lose_answer(FETCH)
            await completed(app, worker, 10)
            assert proxy.lost == 1

            await app.pause()
            both = [await add(app), await add(app)]
            proxy.lose_answer(END)
            watch = Stopwatch(worker)
            await app.resume()
            for job_id in both:
                await app.wait_for(job_id, "completed")
            assert watch.seconds() < 10
            assert proxy.lost == 2

            await idle(redis)
            proxy.lose_answer(WAIT)
            await completed(app, worker)
            await idle(redis)
            await completed(app, worker, 10)  # the marker was taken by the answer that is lost
            assert proxy.lost == 3
        finally:
            assert await worker.stop() == 0
    log = worker.log.read_text("utf-8")
    assert log.count("was orphaned by a lost response") == 2
    assert log.count("✅ Completed") == 6
