"""A worker that gets at no more jobs makes room for a new one, and loses none."""

import sys
from pathlib import Path

import pytest

from sandbox.processes import LOOPBACK, Process, logged
from sandbox.producer import NodeApp
from sandbox.redis import RedisServer
from sandbox.worker_process import READY, ROOT
from tests.support.server import Server, response, running
from tests.support.stopwatch import Stopwatch

# The whole worker, but for shorter limits and a job that only waits. After its first job,
# {stuck} is what becomes of the consumer.
STUCK = """
import asyncio, os, sys
from datetime import timedelta
from functools import partial
from config.environment import Environment
from config.logging.setup import set_up_logs
from config.settings import load_settings
from core.jobs.data import JobData, JobResult
from bullmq_consumer import Job, Jobs
from runtime import app
from services.bundle import Context
from bullmq_consumer.engine import fetching as consumer
from bullmq_consumer.health import liveness

jobs = Jobs()

@jobs.job("wait", timeout=timedelta(minutes=1))
async def wait(job: Job[JobData, Context]) -> JobResult:
    stuck.set()
    await asyncio.Event().wait()

async def main(settings):
    global stuck
    stuck = asyncio.Event()
    return await app.run(settings)

async def fetch_nothing(self, *_):
    await stuck.wait()
    {stuck}

liveness._QUIET_S = 0.2
app.until_starved = partial(liveness.until_starved, limit=timedelta(seconds={limit_s}), check_s=0.1)
app.discover = lambda: jobs
consumer.Fetcher._wait_for_marker = fetch_nothing
settings = load_settings(environment=Environment(dict(os.environ), {{}}))
set_up_logs(settings)
sys.exit(asyncio.run(main(settings)))
"""


@pytest.mark.parametrize(
    ("stuck", "limit_s", "said"),
    [
        (
            "await asyncio.Event().wait()",
            1,
            "fetched nothing for five minutes although Redis answers",
        ),
        # A slow machine may take long to begin its first job, and that is not what ends it.
        ("raise asyncio.CancelledError", 60, "The consumer ended by itself: "),
    ],
)
async def test_it_says_so_ends_with_70_and_hands_its_jobs_back(
    stuck: str, limit_s: int, said: str, tmp_path: Path
) -> None:
    async with RedisServer() as redis, NodeApp(redis.url, "q") as app, running(Server()) as hooks:
        await app.observe()
        environment = {
            "SLACK_WEBHOOK_URL": hooks.on("/slack", response(b"ok")),
            "BULLMQ_REDIS_URL": redis.url,
            "QUEUE_PREFIX": "q",
            "SUPABASE_URL": f"http://{LOOPBACK}:1",
            "SUPABASE_SERVICE_KEY": "sb_secret_unused",
            "SHUTDOWN_GRACE_S": "0",
            "PYTHONUTF8": "1",
        }
        # It is there for the first question: the stuck consumer may never ask a second one.
        job_id = await app.add("wait", {"userId": "u"}, {"priority": 3})
        command = [sys.executable, "-c", STUCK.format(stuck=stuck, limit_s=limit_s)]
        worker = Process(command, tmp_path / "log", name="worker", cwd=ROOT, env=environment)
        await worker.start(logged(worker.log, READY))
        code, took_s = await Stopwatch(worker).end_of(worker)
        assert code == 70
        assert took_s < 15
        assert said in worker.log.read_text("utf-8")
        [alert] = hooks.to("/slack")
        assert alert.json["text"].startswith("🛑 The worker gives up: ")
        assert said in alert.json["text"]
        job = await app.job(job_id)
        assert job is not None
        assert (job.state, job.attempts_made) == ("prioritized", 0)
