"""Times of the queue are Redis's, whatever the clock of a worker's machine says."""

import sys
from pathlib import Path
from uuid import uuid4

from sandbox.processes import Process, logged
from sandbox.redis import RedisServer
from tests.support.apps import Apps
from tests.support.small_app import READY

ROOT = Path(__file__).parents[3]
AN_HOUR_SLOW = """
import sys, time
real = time.time
time.time = lambda: real() - 3600
import asyncio
from tests.support.apps import Apps
from tests.support.small_app import main
sys.exit(asyncio.run(main(*sys.argv[1:])))
"""


async def test_a_delayed_job_runs_in_time_on_a_machine_whose_clock_is_slow(
    server: RedisServer, apps: Apps, tmp_path: Path
) -> None:
    queue, log = f"q-{uuid4().hex}", tmp_path / "worker.log"
    command = [sys.executable, "-c", AN_HOUR_SLOW, server.url, queue]
    worker = Process(command, log, name="worker", cwd=ROOT)
    app = await apps.on(queue)
    await app.observe("0-0")
    await worker.start(logged(log, READY))
    try:
        job_id = await app.add("soon", {"n": 1}, {"delay": 300})
        await app.wait_for(job_id, "completed")
    finally:
        await worker.stop()
