"""The HTTP endpoints of a worker, in this process, on a Redis of their own."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

import httpx
import pytest
from redis.asyncio import Redis

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.health import status as health_status
from bullmq_consumer.health.attempts import RunningAttempts
from bullmq_consumer.health.liveness import Signs
from bullmq_consumer.health.status import Phase, WorkerStatus
from bullmq_consumer.redis.address import RedisAddress
from bullmq_consumer.redis.clients import connect_briefly
from bullmq_consumer.redis.traffic import TRAFFIC
from config.environment import Environment
from config.settings import Settings, load_settings
from core import meter
from runtime.http import endpoints as http_endpoints
from runtime.http import uvicorn_server as http_server
from runtime.http.endpoints import new_app
from runtime.http.listening import CannotListen, served
from sandbox.processes import LOOPBACK, PATIENCE_S, free_port
from sandbox.redis import RedisServer
from tests.support.metrics import faults, value, values
from tests.support.stopwatch import Stopwatch

TOKEN = "a-token-of-the-operators"
SECRET = "sb_secret_of_the_project"


class Link:
    """A job's line to the queue, half way."""

    progress = {"percent": 50, "message": "Half way"}  # noqa: RUF012 (never written)


class Endpoints:
    """A client of the application, and what it is about."""

    def __init__(self, redis: RedisServer) -> None:
        self.redis = redis
        lag = timedelta(milliseconds=7)
        attempts = RunningAttempts(meter.meter)
        self.worker_status = WorkerStatus(phase=Phase.RUNNING, attempts=attempts, lag=lambda: lag)
        self._parts = AsyncExitStack()

    def settings(self, **more: str) -> Settings:
        values = {
            "REDIS_URL": self.redis.url,
            "QUEUE_PREFIX": "q",
            "SUPABASE_URL": "https://x.supabase.co",
            "SUPABASE_SERVICE_KEY": SECRET,
            **more,
        }
        return load_settings(environment=Environment(values, {}))

    async def client(self, **settings: str) -> httpx.AsyncClient:
        app = await self._parts.enter_async_context(
            new_app(self.settings(**settings), self.worker_status)
        )
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://worker")
        return await self._parts.enter_async_context(client)

    async def store(self, job_id: str, **fields: str) -> None:
        async with Redis.from_url(self.redis.url) as redis:
            await redis.hset(f"bull:q:{job_id}", mapping={"name": "x", "opts": "{}", **fields})
            await redis.zadd("bull:q:completed", {job_id: 1})

    async def aclose(self) -> None:
        await self._parts.aclose()


@pytest.fixture
async def endpoints() -> AsyncIterator[Endpoints]:
    before = meter.meter()
    async with RedisServer() as redis:
        found = Endpoints(redis)
        yield found
        await found.aclose()
    meter.install(before)


async def test_what_is_asked_wrongly_is_answered_in_json(endpoints: Endpoints) -> None:
    client = await endpoints.client()
    for path in ("/nothing", "/jobs/", "/jobs/a/b", "/jobs/nobody", f"/jobs/{'x' * 5000}"):
        answer = await client.get(path)
        assert (answer.status_code, [*answer.json()]) == (404, ["error"]), path
    answer = await client.post("/stats")
    assert (answer.status_code, answer.json()) == (405, {"error": "Method Not Allowed"})
    assert "/metrics" in (await client.get("/")).json()["endpoints"]


async def test_other_keys_of_the_queue_are_no_jobs(endpoints: Endpoints) -> None:
    client = await endpoints.client()
    async with Redis.from_url(endpoints.redis.url) as redis:
        await redis.xadd("bull:q:events", {"event": "added"})
        await redis.set("bull:q:7:lock", "token")
        await redis.hset("bull:q:meta", "version", "bullmq")
    for job_id in ("events", "7:lock", "meta"):
        assert (await client.get(f"/jobs/{job_id}")).status_code == 404


async def test_a_job_is_shown_without_what_is_not_for_all(endpoints: Endpoints) -> None:
    signed = "see https://cdn.example/a.png?X-Signature=abc123 there"
    await endpoints.store(
        "j1",
        data=json.dumps({"prompt": "private"}),
        progress=json.dumps({"percent": 5, "message": signed, "odd": "\ud800"}),
        returnvalue='{"url": "https://cdn.example/b?token=t0ken#f", "not": NaN}',
        failedReason=f"the key {SECRET} was refused",
        stacktrace=json.dumps(["at private.py"]),
        checkpoint=json.dumps({"bought": {"1": {"url": "https://cdn.example/c?s=private"}}}),
        timestamp="1700000000000",
    )
    client = await endpoints.client()
    answer = await client.get("/jobs/j1")
    job = answer.json()
    assert job["progress"]["message"] == "see https://cdn.example/a.png?… there"
    assert job["returnvalue"] == {"url": "https://cdn.example/b?…", "not": None}
    assert (job["failedReason"], job["state"]) == ("the key *** was refused", "completed")
    assert job["createdAt"] == "2023-11-14T22:13:20.000Z"
    for hidden in ("private", "abc123", "t0ken", SECRET):
        assert hidden not in answer.text


async def test_fields_of_megabytes_are_not_read(endpoints: Endpoints) -> None:
    """The worker's own loop would read them, and renew no lock meanwhile."""
    long = "x" * 2**22
    client = await endpoints.client()
    for name in ("progress", "returnvalue", "failedReason"):
        await endpoints.store(f"long-{name}", **{name: json.dumps(long), "data": long})
        answer = await client.get(f"/jobs/long-{name}")
        assert answer.json()[name] == "(longer than 64 KiB)"
        assert len(answer.content) < 2000
    await endpoints.store("long-name", name=long, priority=long, opts=long, atm="2")
    job = (await client.get("/jobs/long-name")).json()
    assert (job["name"], job["priority"], job["attemptsMade"]) == ("(longer than 64 KiB)", 0, 2)


async def test_the_token_guards_all_but_the_probes(endpoints: Endpoints) -> None:
    client = await endpoints.client(HEALTH_TOKEN=TOKEN)
    for path in ("/", "/metrics", "/stats", "/jobs/1"):
        for shown in ("", TOKEN, f"Bearer {TOKEN}x", "Bearer ", "Bearer ü"):
            answer = await client.get(path, headers={"authorization": shown.encode()})
            assert (answer.status_code, [*answer.json()]) == (401, ["error"]), (path, shown)
        allowed = await client.get(path, headers={"authorization": f"Bearer {TOKEN}"})
        assert allowed.status_code == (404 if path == "/jobs/1" else 200)
    assert [(await client.get(path)).status_code for path in ("/livez", "/readyz")] == [200, 200]


async def test_ready_means_that_jobs_are_taken(endpoints: Endpoints) -> None:
    client = await endpoints.client()
    for phase, status in ((Phase.STARTING, 503), (Phase.RUNNING, 200), (Phase.STOPPING, 503)):
        endpoints.worker_status.phase = phase
        answer = await client.get("/readyz")
        assert answer.status_code == status
        assert (await client.get("/stats")).json()["worker"]["status"] == phase
        assert ("reason" in answer.json()) is (status == 503)
        assert (await client.get("/livez")).status_code == 200


async def test_not_ready_tells_what_redis_refuses_and_no_secret(endpoints: Endpoints) -> None:
    client = await endpoints.client()
    endpoints.worker_status.refusal = lambda: "NOPERM at redis://u:hunter2secret@h:1"
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "redis-refuses")
    assert "NOPERM" in answer.json()["reason"]
    assert "hunter2secret" not in answer.text
    assert (await client.get("/livez")).status_code == 200
    endpoints.worker_status.phase = Phase.STOPPING
    assert (await client.get("/readyz")).json()["status"] == "stopping"


async def test_a_stuck_worker_is_not_alive_unless_it_stops(endpoints: Endpoints) -> None:
    client = await endpoints.client()
    long_ago = time.monotonic() - 121
    endpoints.worker_status.last_signs.signs = Signs(long_ago, long_ago, long_ago)
    answer = await client.get("/livez")
    assert (answer.status_code, answer.json()["status"]) == (503, "stuck")
    endpoints.worker_status.phase = Phase.STOPPING
    assert (await client.get("/livez")).status_code == 200


async def test_an_outage_is_seen_and_answered_in_time(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.http.endpoints._COUNTS_LIVE_S", 0)
    client = await endpoints.client()
    assert (await client.get("/readyz")).status_code == 200
    assert value((await client.get("/metrics")).text, "vidfab_worker_redis_up") == 1
    await endpoints.redis.kill()
    async with asyncio.timeout(PATIENCE_S):
        while (await client.get("/readyz")).json()["status"] != "redis-away":  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    answering = Stopwatch(endpoints.redis.process)
    text = (await client.get("/metrics")).text
    assert value(text, "vidfab_worker_redis_up") == 0
    assert "bullmq_" not in text
    stats = (await client.get("/stats")).json()
    assert (stats["queue"], stats["worker"]["status"]) == (None, "redis-away")
    assert (await client.get("/jobs/1")).status_code == 503
    assert (await client.get("/livez")).status_code == 200
    assert answering.seconds() < 3
    await endpoints.redis.start()
    async with asyncio.timeout(PATIENCE_S):
        while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def test_hostile_names_make_no_series(endpoints: Endpoints) -> None:
    client = await endpoints.client()
    work = endpoints.worker_status.attempts
    run(work, "storyboard_generation")
    run(work, "x")
    before = values((await client.get("/metrics")).text)
    for number in range(30):
        run(work, f'evil"}}\n{number} \x00{{name="storyboard_generation"')
    text = (await client.get("/metrics")).text
    assert values(text).keys() == before.keys()
    assert value(text, "vidfab_worker_jobs_total", name="other", outcome="completed") == 31
    assert value(text, "vidfab_worker_job_wait_seconds_count", name="other") == 31


async def test_metrics_keep_the_conventions(endpoints: Endpoints) -> None:
    client = await endpoints.client()
    meter.meter().http_request("Seedream", "POST", "2xx", 1.5)
    meter.meter().bytes_transferred("downloads", "received", 7)
    with meter.bill("Seedream", "picture"):
        pass
    with endpoints.worker_status.attempts.attempt(Delivery("1", "update_quota", {}, 0, 1), Link()):
        answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert [*faults(answer.text)] == []
    expected = {
        ("vidfab_worker_jobs_active", ("name", "update_quota")): 1,
        ("vidfab_worker_oldest_job_progress_ratio", ("name", "update_quota")): 0.5,
        ("vidfab_worker_event_loop_lag_seconds",): 0.007,
        ("vidfab_worker_concurrency",): 3,
    }
    for (name, *labels), wanted in expected.items():
        assert value(answer.text, name, **dict(labels)) == wanted


def run(work: RunningAttempts, name: str) -> None:
    delivery = Delivery("1", name, {}, 0, 1, ready_at=time.time() - 1)
    with work.attempt(delivery, Link()) as attempt:
        attempt.end = "completed"


async def test_one_answer_of_redis_serves_many_questions(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that is billed by the command is asked once in some seconds."""
    assert http_endpoints._COUNTS_LIVE_S == 5
    # Sixty questions may take a busy machine longer.
    monkeypatch.setattr(http_endpoints, "_COUNTS_LIVE_S", PATIENCE_S)
    monkeypatch.setattr(health_status, "_FRESH_S", PATIENCE_S)
    client = await endpoints.client()
    await client.get("/metrics")
    before = await commands(endpoints)
    for _ in range(20):
        await client.get("/metrics")
        await client.get("/readyz")
        await client.get("/stats")
    assert await commands(endpoints) == before


async def commands(endpoints: Endpoints) -> int:
    """Without those of this test."""
    async with Redis.from_url(endpoints.redis.url) as redis:
        stats = await redis.info("commandstats")
    own = ("cmdstat_info", "cmdstat_client", "cmdstat_hello")
    return sum(of["calls"] for name, of in stats.items() if not name.startswith(own))


@pytest.fixture
def access_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uvicorn silences it for the whole process: not for the tests that come after."""
    log = logging.getLogger("uvicorn.access")
    monkeypatch.setattr(log, "propagate", log.propagate)


async def test_each_instance_of_pm2_has_a_port_of_its_own(
    endpoints: Endpoints,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    access_log: None,
) -> None:
    port = free_port()
    settings = endpoints.settings(HEALTH_PORT=str(port))
    async with served(settings, endpoints.worker_status):
        monkeypatch.setenv("NODE_APP_INSTANCE", "2")
        async with served(settings, endpoints.worker_status), httpx.AsyncClient() as client:
            for number in (port, port + 2):
                answer = await client.get(f"http://{LOOPBACK}:{number}/livez")
                assert answer.status_code == 200
            monkeypatch.delenv("NODE_APP_INSTANCE")
            with pytest.raises(CannotListen, match=f"HEALTH_PORT: cannot listen on .*:{port} "):
                async with served(settings, endpoints.worker_status):
                    pass
        with pytest.raises(httpx.ConnectError):
            async with httpx.AsyncClient() as client:
                await client.get(f"http://{LOOPBACK}:{port + 2}/livez")
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


async def test_connections_that_ask_nothing_are_closed(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch, access_log: None
) -> None:
    monkeypatch.setattr(http_server, "CONNECTION_S", 0.3)
    port = free_port()
    async with (
        served(endpoints.settings(HEALTH_PORT=str(port)), endpoints.worker_status),
        httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}") as client,
    ):
        assert (await client.get("/livez")).status_code == 200
        for said in (b"", b"GET /livez HTTP/1.1\r\n"):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(said)
            async with asyncio.timeout(PATIENCE_S):
                with suppress(ConnectionResetError):
                    assert await reader.read() == b""
            writer.close()
        assert (await client.get("/livez")).status_code == 200


async def test_a_connection_that_redis_closed_is_no_outage(endpoints: Endpoints) -> None:
    """As it does with idle ones where `timeout` is set, and when it is started anew."""
    client = await endpoints.client()
    await client.get("/stats")
    async with Redis.from_url(endpoints.redis.url) as redis:
        for path in ("/readyz", "/jobs/j1", "/readyz", "/jobs/j1"):
            await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            TRAFFIC.answered_at = float("-inf")
            assert (await client.get(path)).status_code in (200, 404), path


async def test_redis_commands_are_counted_as_redis_counts_them(endpoints: Endpoints) -> None:
    async with connect_briefly(RedisAddress(endpoints.redis.url)) as redis:
        await redis.ping()
        before = TRAFFIC.commands, await commands(endpoints)
        await redis.set("a", 1)
        for transaction in (True, False):
            async with redis.pipeline(transaction=transaction) as pipe:
                await pipe.get("a").incr("a").execute()
        await redis.eval("return 1", 0)
        after = TRAFFIC.commands, await commands(endpoints)
    assert (after[0] - before[0], after[1] - before[1]) == (8, 8)
