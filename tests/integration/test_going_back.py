"""The way back to a Node worker: what it does with jobs that this worker had begun."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bullmq_consumer.delivery import FAILURE_WAITS, SNOOZES
from sandbox.app import start_consumer
from sandbox.producer import Package
from sandbox.vidfab import VidFab
from tests.support.site import Site

PACKAGES: list[Package] = ["bullmq", "bullmq-5-81", "bullmq-6"]
OPTIONS = {"priority": 3, "attempts": 3}


@pytest.fixture(params=PACKAGES)
async def node_site(
    request: pytest.FixtureRequest, vidfab: VidFab, tmp_path: Path
) -> AsyncIterator[Site]:
    """A queue whose app and worker are Node of that version."""
    async with Site(vidfab, tmp_path, request.param) as site:
        yield site


async def test_node_goes_on_with_what_this_worker_began(
    node_site: Site, request: pytest.FixtureRequest
) -> None:
    """Our fields do not trouble it; a job that only waited for its rows fails with its reason."""
    site = node_site
    await site.app.add("noop", {}, {**OPTIONS, "jobId": "begun"})
    await site.app.add("noop", {}, {**OPTIONS, "jobId": "to-fail"})
    fields: dict[str, Any] = {SNOOZES: 2, "handBacks": 1, "checkpoint": json.dumps({"a": 1})}
    async with Redis.from_url(site.redis.url) as redis:
        await redis.hset(f"bull:{site.queue}:begun", mapping=fields)
        marked = {**fields, FAILURE_WAITS: 1, "defa": "The scene was refused"}
        await redis.hset(f"bull:{site.queue}:to-fail", mapping=marked)
    package = request.node.callspec.params["node_site"]
    node = await start_consumer(site.redis.url, site.queue, site.folder, package=package)
    try:
        begun = await site.finished("begun")
        assert (begun.state, begun.returnvalue) == ("completed", {"by": "node"})
        failed = await site.finished("to-fail")
        assert (failed.state, failed.failed_reason) == ("failed", "The scene was refused")
    finally:
        await node.stop()
