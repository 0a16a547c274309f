"""Jobs that are children of a parent in another queue of the app's."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from bullmq_consumer import Job, UnrecoverableError, Worker
from sandbox.producer import Package, start_consumer
from sandbox.redis import RedisServer
from tests.support.apps import Apps
from tests.support.small_site import start_small_worker

PACKAGES: list[Package] = ["bullmq", "bullmq-5-81", "bullmq-6"]


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("fails_its_parent", [False, True])
async def test_a_parent_hears_of_a_child_that_failed_as_from_nodes_worker(
    server: RedisServer, apps: Apps, tmp_path: Path, package: Package, fails_its_parent: bool
) -> None:
    """The id of such a child names a thing, and would be free again after any other end."""
    queue, films = f"q-{uuid4().hex}", f"films-{uuid4().hex}"
    opts: dict[str, Any] = {"priority": 4, "failParentOnFailure": fails_its_parent}
    if not fails_its_parent:
        del opts["failParentOnFailure"]
    app = await apps.on(queue, package)
    await app.observe("0-0")
    await app.observe("0-0", queue=films)
    worker = await start_small_worker(server.url, queue, tmp_path)
    parents = await start_consumer(server.url, films, tmp_path, package=package)
    try:
        children = [
            {"name": "unique", "queueName": queue, "data": data, "opts": {**opts, **key}}
            for data, key in (({}, {"jobId": "good"}), ({"refuse": "no"}, {"jobId": "bad"}))
        ]
        parent = await app.flow({"name": "noop", "queueName": films, "children": children})
        await app.wait_for("bad", "failed")
        await app.wait_for("good", "completed")
        if fails_its_parent:
            await app.wait_for(parent, "failed")
        found = await app.job(parent, queue=films)
        assert found is not None
        assert found.state == ("failed" if fails_its_parent else "waiting-children")
        child = await app.job("bad")
        assert child is not None
        assert child.state == "failed"
        assert await app.job("good") is None
    finally:
        await worker.stop()
        await parents.stop()


class Family:
    """A worker of parents and children, with what the hook of the parents heard."""

    def __init__(self, queue: str, url: str) -> None:
        self.heard: list[str] = []
        self.parent_runs = asyncio.Event()
        self.parent_may_end = asyncio.Event()
        self.worker: Worker = Worker(queue, url, concurrency=3)

        @self.worker.job("child")
        async def child(job: Job[dict[str, bool]]) -> None:
            if job.data.get("after"):
                await self.parent_runs.wait()
            raise UnrecoverableError("no")

        @self.worker.job("parent")
        async def parent(job: Job) -> str:
            self.parent_runs.set()
            await self.parent_may_end.wait()
            return "done"

        @parent.on_final_failure
        async def gave_up(job: Job, reason: str) -> None:
            self.heard.append(reason)


@pytest.mark.parametrize("package", PACKAGES)
async def test_the_hook_hears_of_a_parent_that_its_children_fail(
    server: RedisServer, apps: Apps, package: Package
) -> None:
    """BullMQ has a worker fail it: before it has run, or when it has returned meanwhile."""
    queue = f"q-{uuid4().hex}"
    family = Family(queue, server.url)
    fails, goes_on = {"failParentOnFailure": True}, {"continueParentOnFailure": True}
    first = {"name": "child", "queueName": queue, "data": {}}
    then = {**first, "data": {"after": True}, "opts": {"jobId": "then", **fails}}
    parent = {"name": "parent", "queueName": queue, "opts": {"attempts": 3}}
    app = await apps.on(queue, package)
    async with family.worker.running():
        await app.observe("0-0")
        child = {**first, "opts": {"jobId": "alone", **fails}}
        waits = await app.flow({**parent, "children": [child]})
        await app.wait_for(waits, "failed")
        assert family.heard == [f"child bull:{queue}:alone failed"]

        child = {**first, "opts": {"jobId": "first", **goes_on}}
        runs = await app.flow({**parent, "children": [child, then]})
        await app.wait_for("then", "failed")
        family.parent_may_end.set()
        await app.wait_for(runs, "failed")
        job = await app.job(runs)
    what = f"Cannot complete job {runs} because it has at least one failed child. moveToFinished"
    assert family.heard[1:] == [what]
    assert job is not None
    assert (job.failed_reason, job.returnvalue) == (what, None)
