"""Jobs that are children of a parent in another queue of the app's."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sandbox.producer import NodeApp, Package, start_consumer
from sandbox.redis import RedisServer
from tests.support.small_site import start_small_worker

PACKAGES: list[Package] = ["bullmq", "bullmq-5-81", "bullmq-6"]


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("fails_its_parent", [False, True])
async def test_a_parent_hears_of_a_child_that_failed_as_from_nodes_worker(
    tmp_path: Path, package: Package, fails_its_parent: bool
) -> None:
    """The id of such a child names a thing, and would be free again after any other end."""
    queue, films = f"q-{uuid4().hex}", f"films-{uuid4().hex}"
    opts: dict[str, Any] = {"priority": 4, "failParentOnFailure": fails_its_parent}
    if not fails_its_parent:
        del opts["failParentOnFailure"]
    async with RedisServer() as redis, NodeApp(redis.url, queue, package) as app:
        await app.observe("0-0")
        await app.observe("0-0", queue=films)
        worker = await start_small_worker(redis.url, queue, tmp_path)
        parents = await start_consumer(redis.url, films, tmp_path, package=package)
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
