"""Repeatable jobs and job schedulers of the app: each next one as Node's worker makes it."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis

from sandbox.processes import PATIENCE_S
from sandbox.producer import NodeApp, Package, start_consumer
from sandbox.redis import RedisServer
from tests.support.apps import Apps
from tests.support.small_site import start_small_worker

# Of the jobs that the sandbox's own Node consumer knows, one that gives its data back.
NAME = "update_quota"
DATA = {"userId": str(uuid4()), "note": "每天 🐈"}
OPTIONS: dict[str, Any] = {
    "priority": 4,
    "attempts": 3,
    "backoff": {"type": "fixed", "delay": 200, "jitter": 0.5},
    "removeOnComplete": 100,
}
# Of the options, what tells the time of one iteration: with `immediately`, `offset` too.
OF_ITS_TIME = {"jobId", "delay", "timestamp", "prevMillis"}
OF_ITS_TURN = {"count", "offset"}
Worker = Literal["node", "ours"]
WORKERS: list[Worker] = ["node", "ours"]


class Repeated:
    """A fresh queue that Node's worker or ours works on."""

    app: NodeApp

    def __init__(self, redis: RedisServer, apps: Apps, package: Package = "bullmq") -> None:
        self.queue = f"q-{uuid4().hex}"
        self.package: Package = package
        self.url = redis.url
        self.client = Redis.from_url(redis.url, decode_responses=True)
        self._apps = apps
        self._parts = AsyncExitStack()

    async def __aenter__(self) -> "Repeated":
        self._parts.push_async_callback(self.client.aclose)
        self.app = await self._apps.on(self.queue, self.package)
        await self.app.observe("0-0")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._parts.aclose()

    async def worked_on_by(self, worker: Worker, folder: Path) -> None:
        if worker == "node":
            process = await start_consumer(self.url, self.queue, folder, package=self.package)
        else:
            process = await start_small_worker(self.url, self.queue, folder)
        self._parts.push_async_callback(process.stop)

    async def ended(self, count: int) -> list[dict[str, Any]]:
        """The first `count` ends of jobs, their data and results."""
        names = ("completed", "failed")
        await self.app.wait_until(
            lambda: sum(one.name in names for one in self.app.events) >= count
        )
        return [{"event": one.name, **one.args} for one in self.app.events if one.name in names][
            :count
        ]

    async def next_one(self) -> dict[str, Any]:
        """The hash of the iteration that waits, its options read, without what tells its time."""
        async with asyncio.timeout(PATIENCE_S):
            while not (  # noqa: ASYNC110 (Redis tells nobody)
                due := await self.client.zrange(f"bull:{self.queue}:delayed", 0, 0)
            ):
                await asyncio.sleep(0.02)
        fields = await self.client.hgetall(f"bull:{self.queue}:{due[0]}")
        opts = json.loads(fields["opts"])
        opts["repeat"] = {
            name: value for name, value in opts["repeat"].items() if name not in OF_ITS_TURN
        }
        kept = {name: value for name, value in opts.items() if name not in OF_ITS_TIME}
        return {**{name: fields.get(name) for name in ("name", "data", "rjk")}, "opts": kept}

    async def after_three(self) -> tuple[dict[str, Any], dict[str, str]]:
        """What is written for the fourth iteration, after three had their data."""
        for end in await self.ended(3):
            assert end["event"] == "completed"
            assert end["returnvalue"]["data"]["userId"] == DATA["userId"]
        following, schedule = await self.next_one(), await self.schedule()
        assert json.loads(following["data"]) == DATA
        schedule.pop("ic", None)
        return following, schedule

    async def schedule(self) -> dict[str, str]:
        [key] = await self.client.zrange(f"bull:{self.queue}:repeat", 0, -1)
        return await self.client.hgetall(f"bull:{self.queue}:repeat:{key}")


REPEATS: list[Mapping[str, Any]] = [
    {"pattern": "* * * * * *"},
    {"every": 1000},
    {"every": 1000, "immediately": True},
    {"pattern": "* * * * * *", "tz": "Asia/Shanghai", "limit": 100},
]


@pytest.mark.parametrize("package", ["bullmq", "bullmq-5-81"])
@pytest.mark.parametrize("repeat", REPEATS, ids=lambda one: "-".join(one))
async def test_each_repetition_is_written_as_by_nodes_worker(
    server: RedisServer, apps: Apps, tmp_path: Path, package: Package, repeat: Mapping[str, Any]
) -> None:
    """`queue.add` of BullMQ 5 with `repeat`: name, data, options and key in Redis."""
    written: dict[str, Any] = {}
    for worker in WORKERS:
        async with Repeated(server, apps, package) as site:
            await site.app.add(NAME, DATA, {**OPTIONS, "repeat": repeat})
            await site.worked_on_by(worker, tmp_path)
            written[worker] = await site.after_three()
    assert written["ours"] == written["node"]


@pytest.mark.parametrize("package", ["bullmq", "bullmq-5-81", "bullmq-6"])
@pytest.mark.parametrize("options", [OPTIONS, {}], ids=["options", "none"])
async def test_a_scheduler_goes_on_as_with_nodes_worker(
    server: RedisServer, apps: Apps, tmp_path: Path, package: Package, options: Mapping[str, Any]
) -> None:
    written: dict[str, Any] = {}
    template = {"name": NAME, "data": DATA, "opts": options}
    for worker in WORKERS:
        async with Repeated(server, apps, package) as site:
            await site.app.schedule("each-second", {"pattern": "* * * * * *"}, template)
            await site.worked_on_by(worker, tmp_path)
            written[worker] = await site.after_three()
    assert written["ours"] == written["node"]


async def test_a_repetition_without_data_leaves_none_with_its_schedule(
    server: RedisServer, apps: Apps, tmp_path: Path
) -> None:
    async with Repeated(server, apps) as site:
        await site.app.add(NAME, {}, {**OPTIONS, "repeat": {"every": 500}})
        await site.worked_on_by("ours", tmp_path)
        await site.ended(2)
        assert (await site.next_one())["data"] == "{}"
        assert "data" not in await site.schedule()


@pytest.mark.parametrize("tz", ["Asia/Shanghai", "America/New_York"])
async def test_a_pattern_without_a_zone_is_of_the_workers_own(
    server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tz: str
) -> None:
    """The run after the next as Node's worker has it, with `TZ` the same for all."""
    monkeypatch.setenv("TZ", tz)
    due: dict[str, Any] = {}
    template = {"name": NAME, "data": DATA, "opts": OPTIONS}
    for worker in WORKERS:
        async with Apps(server) as apps, Repeated(server, apps) as site:
            first = await site.app.schedule("nightly", {"pattern": "30 3 1 * *"}, template)
            await site.app.promote(first)
            await site.worked_on_by(worker, tmp_path)
            await site.ended(1)
            [following] = await site.app.jobs("delayed")
            due[worker] = (first, following.id)
    assert due["ours"] == due["node"]
    moment = datetime.fromtimestamp(int(due["ours"][1].split(":")[-1]) / 1000, ZoneInfo(tz))
    assert (moment.day, moment.hour, moment.minute) == (1, 3, 30)


async def test_a_schedule_that_cannot_be_read_ends_with_a_line_and_its_job_still_runs(
    server: RedisServer, apps: Apps, tmp_path: Path
) -> None:
    template = {"name": NAME, "data": DATA, "opts": OPTIONS}
    async with Repeated(server, apps) as site:
        first = await site.app.schedule("nightly", {"pattern": "0 3 * * *"}, template)
        key = f"bull:{site.queue}:{first}"
        options = json.loads(str(await site.client.hget(key, "opts")))
        options["repeat"]["pattern"] = "at three"
        await site.client.hset(key, "opts", json.dumps(options))
        await site.app.promote(first)
        worker = await start_small_worker(site.url, site.queue, tmp_path)
        try:
            [end] = await site.ended(1)
            assert end["event"] == "completed"
        finally:
            await worker.stop()
        assert await site.app.jobs("delayed") == []
    log = worker.log.read_text("utf-8")
    assert "The schedule nightly ends: its next job cannot be planned" in log
    assert "ERROR BROKEN nightly: " in log
