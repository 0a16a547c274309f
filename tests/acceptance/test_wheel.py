"""The consumer's wheel, in an environment with nothing of this project, runs a Node app's jobs."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from redis.asyncio import Redis

from bullmq_consumer import __version__
from sandbox import node
from sandbox.processes import Process, logged
from sandbox.producer import NodeApp, Package
from sandbox.redis import RedisServer
from sandbox.worker_process import ROOT
from tests.support.pages import Page

PACKAGE = ROOT / "bullmq_consumer"
PACKAGES: list[Package] = ["bullmq", "bullmq-5-81", "bullmq-6"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make wheel` builds it; what the target installs first is here already."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(["make", "-o", "dev", "wheel", f"DIST={folder}"], cwd=ROOT, check=True)
    [built] = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    lock = folder / "lock.txt"
    itself = f"{wheel} --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}\n"
    lock.write_text(_locked(_needed_by(wheel)) + itself, "utf-8")
    install = ("install", "--quiet", "--no-compile", "--require-hashes", "--no-deps")
    _pip(folder, *install, "--requirement", str(lock))
    return folder / "bin/python"


def _pip(environment: Path, *arguments: str) -> str:
    """What pip prints, which works on an environment that has none itself."""
    pip = [sys.executable, "-m", "pip", "--python", str(environment), "--disable-pip-version-check"]
    command = [*pip, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _needed_by(wheel: Path) -> set[str]:
    """All packages that it depends on, as the installed ones tell theirs."""
    with ZipFile(wheel) as archive:
        [file] = [name for name in archive.namelist() if name.endswith("/METADATA")]
        text = archive.read(file).decode()
    found: set[str] = set()
    missing = [Requirement(line) for line in re.findall(r"^Requires-Dist: (.+)", text, re.M)]
    while missing:
        one = missing.pop()
        found.add(canonicalize_name(one.name))
        missing += _dependencies(one)
    return found


def _dependencies(one: Requirement) -> Iterator[Requirement]:
    for line in metadata.requires(one.name) or ():
        needed = Requirement(line)
        extras = one.extras or {""}
        if needed.marker is None or any(needed.marker.evaluate({"extra": it}) for it in extras):
            yield needed


def _locked(names: set[str]) -> str:
    """Those of the worker's lock, with their hashes."""
    text = (ROOT / "requirements/worker.txt").read_text("utf-8")
    entries = re.findall(r"^[a-z].*\n(?:    .*\n)+", text, re.MULTILINE)
    return "".join(entry for entry in entries if entry.partition("==")[0] in names)


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    async with RedisServer() as server:
        yield server


@pytest.fixture
async def hello(python: Path, redis: RedisServer, tmp_path: Path) -> AsyncIterator[Process]:
    """The example's worker, not yet started, in a folder with nothing else of the project."""
    shutil.copy2(ROOT / "examples/hello.py", tmp_path)
    command = (python, "-W", "error", "hello.py")
    process = Process(command, tmp_path / "log", cwd=tmp_path, env=_environment(redis))
    yield process
    await process.kill()


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    shipped = {"*.py", "*.lua", "py.typed"}
    files = (file for pattern in shipped for file in PACKAGE.rglob(pattern))
    assert held == {str(file.relative_to(ROOT)) for file in files}
    assert {"bullmq_consumer/py.typed", "bullmq_consumer/scripts/hold.lua"} <= held
    assert wheel.name.startswith(f"bullmq_consumer-{__version__}-")


def test_the_environment_is_complete_and_holds_nothing_of_the_project(python: Path) -> None:
    _pip(python.parents[1], "check")
    listed = _pip(python.parents[1], "list", "--format=json")
    names = {one["name"] for one in json.loads(listed)}
    assert {"bullmq", "bullmq-consumer", "hiredis", "pydantic", "redis"} <= names
    assert names & {"httpx", "loguru", "supabase", "vidfab-worker"} == set()


def test_the_blocks_of_its_page_run(python: Path, tmp_path: Path) -> None:
    """One after the other, as they are read: the worker is made, and connects to nothing."""
    blocks = [one.text for one in Page(PACKAGE / "README.md").blocks if one.language == "python"]
    assert len(blocks) > 3
    page = tmp_path / "page.py"
    page.write_text("\n\n".join(blocks), "utf-8")
    command = (python, "-W", "error", "-c", "import page; print(*page.worker.entries())")
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "greet send\n"


@pytest.mark.parametrize("package", PACKAGES)
async def test_the_example_consumes_the_jobs_of_its_producer(
    hello: Process, redis: RedisServer, tmp_path: Path, package: Package
) -> None:
    await hello.start(logged(hello.log, "Queue hello at"))
    printed = await _produced(tmp_path, redis, package)
    hello.signal(signal.SIGTERM)
    code = await hello.wait(30)
    for number, name in enumerate(("Ada", "Grace", "Barbara"), 1):
        assert f"{number}: {{ greeting: 'Hello, {name}!', attempt: 2 }}" in printed
        assert f"send_{number}: {{ sent: 'Hello, {name}!' }}" in printed
    # Of the queue's own stream: the producer hears from when its first read has reached Redis.
    assert await _progress(redis) == {(str(one), at) for one in (1, 2, 3) for at in (10, 80)}
    log = hello.log_tail(100)
    assert (code, log.splitlines()[-1][-11:]) == (0, "Stopped (0)"), log
    assert log.count("The stamps have run out") == 3
    assert "Traceback" not in log


@pytest.mark.parametrize("package", PACKAGES)
async def test_the_example_of_work_that_blocks_runs_in_threads_and_processes(
    python: Path, redis: RedisServer, tmp_path: Path, package: Package
) -> None:
    shutil.copy2(ROOT / "examples/texts.py", tmp_path)
    async with NodeApp(redis.url, "texts", package) as app:
        pack = await app.add("pack", {"parts": ["a" * 1000, "b" * 1000]})
        search = await app.add("search", {"pattern": "b+", "text": "abba b"})
        command = (python, "-W", "error", "-m", "bullmq_consumer", "texts:worker", "--drain")
        worker = Process(command, tmp_path / "log", cwd=tmp_path, env=_environment(redis))
        await worker.start()
        assert await worker.wait(60) == 0, worker.log_tail(100)
        jobs = [await app.job(one) for one in (pack, search)]
    assert [job and job.state for job in jobs] == ["completed", "completed"]
    assert jobs[1] is not None
    assert jobs[1].returnvalue == ["bb", "b"]


async def test_the_example_waits_for_redis_and_ends_without_one(
    hello: Process, redis: RedisServer, tmp_path: Path
) -> None:
    await redis.stop()
    await hello.start(logged(hello.log, "Waiting for it"))
    hello.signal(signal.SIGTERM)
    assert await hello.wait(30) == 0

    await hello.start(logged(hello.log, "Waiting for it"))
    await redis.start()
    await _produced(tmp_path, redis)
    await redis.kill()
    hello.signal(signal.SIGTERM)
    assert await hello.wait(60) == 75


async def _produced(folder: Path, redis: RedisServer, package: Package = "bullmq") -> list[str]:
    """What the producer prints with this BullMQ, which has a minute to end by itself."""
    runtime = await node.install()
    shutil.copy2(ROOT / "examples/producer.mjs", folder)
    (folder / "node_modules").mkdir(exist_ok=True)
    (folder / "node_modules/bullmq").symlink_to(runtime.package(package))
    child = await asyncio.create_subprocess_exec(
        *(runtime.executable, "producer.mjs"),
        cwd=folder,
        env=_environment(redis),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        printed, _ = await asyncio.wait_for(child.communicate(), 60)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode == 0, printed.decode()
    return printed.decode().splitlines()


async def _progress(redis: RedisServer) -> set[tuple[str, int]]:
    """Job and percent of each event that Node's QueueEvents may read."""
    async with Redis.from_url(redis.url, decode_responses=True) as client:
        events = [fields for _, fields in await client.xrange("bull:hello:events")]
    shown = [event for event in events if event["event"] == "progress"]
    return {(event["jobId"], json.loads(event["data"])["percent"]) for event in shown}


def _environment(redis: RedisServer) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "REDIS_URL": redis.url}
