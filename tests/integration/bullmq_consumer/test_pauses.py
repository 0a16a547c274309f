"""Pauses by Node, while jobs without a priority fall due or are tried again."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from sandbox.processes import Process
from sandbox.producer import NodeApp, Package
from sandbox.redis import RedisServer
from tests.support.apps import Apps
from tests.support.small_site import start_small_worker

PACKAGES: list[Package] = ["bullmq", "bullmq-5-81", "bullmq-6"]
DATA = {"note": "quick"}


@pytest.fixture(params=PACKAGES)
async def app(request: pytest.FixtureRequest, apps: Apps) -> NodeApp:
    app = await apps.on(f"q-{uuid4().hex}", request.param)
    await app.observe("0-0")
    return app


@pytest.fixture
async def worker(app: NodeApp, server: RedisServer, tmp_path: Path) -> AsyncIterator[Process]:
    process = await start_small_worker(server.url, app.queue, tmp_path)
    yield process
    await process.stop()


async def promoted(app: NodeApp, job_id: str) -> None:
    """Until a worker has found it due: one asks when it has waited long enough, or when woken."""
    await app.wait_for(job_id, "waiting")


async def test_what_falls_due_meanwhile_runs_after_the_resume(
    app: NodeApp, worker: Process
) -> None:
    """Also where another job was added meanwhile: the resume renames the list that it is in."""
    first = await app.add("quick", DATA)
    await app.wait_for(first, "completed")
    delayed = await app.add("quick", DATA, {"delay": 1500})
    # The worker waits for the moment when that falls due, and then asks.
    await app.pause()
    added = await app.add("quick", DATA)
    await promoted(app, delayed)
    await app.resume()
    await app.wait_for(added, "completed")
    await app.wait_for(delayed, "completed")


async def test_what_falls_due_while_another_goes_back_for_later_runs_after_the_resume(
    app: NodeApp, worker: Process
) -> None:
    """The end of that attempt looks for the next job, and finds what is due."""
    delayed = await app.add("quick", DATA, {"delay": 1000})
    backoff = {"type": "fixed", "delay": 3_600_000}
    tried = await app.add(
        "x", {"sleep": 2, "retry": "no luck"}, {"attempts": 2, "backoff": backoff}
    )
    await app.wait_for(tried, "active")
    await app.pause()
    await app.wait_for(tried, "delayed")
    await promoted(app, delayed)
    added = await app.add("quick", DATA)
    await app.resume()
    await app.wait_for(added, "completed")
    await app.wait_for(delayed, "completed")


async def test_a_resume_wakes_a_worker_for_what_fell_due(app: NodeApp, worker: Process) -> None:
    """An idle worker waits for 70 s when nobody tells it."""
    first = await app.add("quick", DATA)
    await app.wait_for(first, "completed")
    delayed = await app.add("quick", DATA, {"delay": 1500})
    await app.pause()
    await promoted(app, delayed)
    await app.resume()
    await app.wait_for(delayed, "completed")


async def test_what_is_tried_again_meanwhile_runs_after_the_resume(
    app: NodeApp, worker: Process
) -> None:
    """At once, without a backoff."""
    data = {"sleep": 1, "retry": "no luck"}
    tried = await app.add("quick", data, {"attempts": 2})
    await app.wait_for(tried, "active")
    await app.pause()
    await app.wait_until(lambda: len(app.events_of(tried, "waiting")) == 2)
    added = await app.add("quick", DATA)
    await app.resume()
    await app.wait_for(added, "completed")
    await app.wait_until(lambda: len(app.events_of(tried, "active")) == 2)
