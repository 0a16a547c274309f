"""What a worker loads before it waits for jobs, and what if it cannot load the rest."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.processes import Process, logged
from sandbox.worker_process import READY, ROOT
from tests.support.site import Site
from tests.support.stopwatch import Stopwatch

# Packages that cost some of the start, or would stay in memory for nothing.
_HEAVY = frozenset(
    {
        *("httpx", "httpcore", "h2", "anyio", "stamina"),  # in the background afterwards
        *("supabase", "postgrest", "storage3", "realtime", "supabase_auth"),
        *("google", "sentry_sdk", "requests", "urllib3"),
        *("typer", "click", "rich", "pygments", "pydantic_settings"),
        *("starlette", "uvicorn", "prometheus_client"),
    }
)
# What a worker of the consumer alone starts without, even where VidFab needs it.
_OF_OTHERS = frozenset(
    {
        *("bullmq", "croniter", "dateutil", "semver"),  # with the first job that is added
        "multiprocessing",  # with the first isolated handler
        *("pydantic", "pydantic_core"),  # with the first data or result that it checks
        "zoneinfo",  # with the first schedule by a pattern
        *("loguru", "dotenv", "config", "core", "runtime", "services", "handlers"),
    }
)


# The whole worker, but it says when it begins to load. Its log is written by a thread, and so in no
# fixed order with the lines of -X importtime.
WORKER = """
import runpy, sys
from services.bundle import Services

real = Services.warm_up

async def warm_up(self):
    sys.stderr.write("LOADING\\n")
    sys.stderr.flush()
    await real(self)

Services.warm_up = warm_up
runpy.run_path("worker.py", run_name="__main__")
"""


async def test_nothing_heavy_is_loaded_before_the_worker_waits(site: Site, tmp_path: Path) -> None:
    # With channels for alerts, which load theirs with the first one.
    channels = {"SLACK_WEBHOOK_URL": "https://s.example/1", "SENTRY_DSN": "https://k@h.example/4"}
    settings = _env_file(site, tmp_path, **channels)
    command = [sys.executable, "-X", "importtime", "-c", WORKER, "--env-file", settings]
    worker = Process(command, tmp_path / "worker.log", cwd=ROOT)
    await worker.start(logged(worker.log, " postgrest._async.client\n"))
    assert await worker.stop() == 0
    log = worker.log.read_text("utf-8")
    assert READY in log
    before, after = (_imported(part) for part in log.split("LOADING\n"))
    assert {"bullmq_consumer", "handlers", "services"} <= before
    assert not before & _HEAVY
    assert {"httpx", "postgrest"} <= after


async def test_the_consumer_alone_loads_as_little(site: Site, tmp_path: Path) -> None:
    command = (sys.executable, "-X", "importtime", "-m", "bullmq_consumer")
    env = {**os.environ, "REDIS_URL": site.vidfab.redis.url, "QUEUE": site.queue}
    worker = Process((*command, "bench.bare_worker:worker"), tmp_path / "log", cwd=ROOT, env=env)
    await worker.start(logged(worker.log, f"Queue {site.queue} at "))
    assert await worker.stop() == 0
    loaded = _imported(worker.log.read_text("utf-8"))
    assert {"bullmq_consumer", "redis"} <= loaded
    assert not loaded & (_HEAVY | _OF_OTHERS)


def test_the_package_by_itself_loads_none_of_its_parts() -> None:
    """So that its command line begins before they do, and a program loads those that it uses."""
    asked = (
        "import bullmq_consumer, sys; print([n for n in sys.modules if 'bullmq_consumer.' in n])"
    )
    said = subprocess.run(
        [sys.executable, "-c", asked], stdout=subprocess.PIPE, text=True, check=True
    )
    assert said.stdout == "[]\n"


def _env_file(site: Site, folder: Path, **more: str) -> Path:
    file = folder / "worker.env"
    lines = site.vidfab.settings(site.queue, **more).items()
    file.write_text("".join(f'{name}="{text}"\n' for name, text in lines), "utf-8")
    return file


def _imported(log: str) -> set[str]:
    """The packages whose modules `-X importtime` names; nested ones are indented."""
    return set(re.findall(r"\| +([^\s.]+)\S*$", log, re.M))


async def test_a_worker_that_cannot_load_what_jobs_need_ends(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so at once, and hands back what it has: each job would burn its attempts."""
    job_id = await site.app.add("no_such_job", {}, {"priority": 1})
    broken = tmp_path / "postgrest.py"
    broken.write_text("raise ImportError('half of it is missing')\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command = [sys.executable, "worker.py", "--env-file", _env_file(site, tmp_path)]
    worker = Process(command, tmp_path / "worker.log", cwd=ROOT)
    await worker.start()
    code, took_s = await Stopwatch(worker).end_of(worker)
    assert code == 1
    assert took_s < 10
    log = worker.log.read_text("utf-8")
    [said] = [line for line in log.splitlines() if "CRITICAL" in line]
    assert "What its jobs need cannot be loaded (ImportError: half of it" in said
    assert said.endswith("reinstall requirements/worker.txt, and check SSL_CERT_FILE")
    assert "✅ Worker stopped gracefully" in log
    assert "Traceback" not in log
    job = await site.app.job(job_id)
    assert job is not None
    assert (job.state, job.attempts_made) == ("prioritized", 0)
