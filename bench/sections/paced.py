"""A large video between servers of a fixed speed, beside a pipe of curl."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import trustme

from bench.contenders import Contender, Job, python_worker
from bench.figure import Figure, at_most, counted, in_turn
from bench.sections.transfer import peak_mib
from bench.setup import Bench
from bench.site import Site, first, last
from sandbox.app import create_user
from sandbox.processes import LOOPBACK, Process, SandboxError, exists
from sandbox.providers.drawing.clips import Clip, make_clip
from sandbox.worker_process import ROOT
from tests.support.mp4 import padded

_HOST = "source.vidfab.test"
_BYTES_A_SECOND = 100_000_000
_AT_ONCE = 8
_CURL = ("curl", "--silent", "--show-error", "--fail", "--noproxy", "*")


@dataclass(frozen=True)
class _Servers:
    """Source and sink, and the authority that the source is trusted by."""

    source_port: int
    sink_port: int
    roots: Path
    file: Path

    @property
    def video_url(self) -> str:
        return f"https://{_HOST}:{self.source_port}/{uuid4().hex}.mp4"

    @property
    def download(self) -> list[str]:
        """The words for curl."""
        resolved = f"{_HOST}:{self.source_port}:{LOOPBACK}"
        return [*_CURL, "--cacert", str(self.roots), "--resolve", resolved, self.video_url]

    @property
    def upload(self) -> list[str]:
        """The words for curl, which is piped the video."""
        return [*_CURL, "-H", "Expect:", "-T", "-", f"http://{LOOPBACK}:{self.sink_port}/video"]

    @property
    def size_bytes(self) -> int:
        return self.file.stat().st_size


@dataclass(frozen=True)
class _Round:
    worker_s: float
    worker_cpu_s: float
    pipe_s: float
    floor_s: float


async def measure(bench: Bench) -> list[Figure]:
    async def one_round() -> _Round:
        return await _round(bench, servers)

    size = bench.sizes.video_bytes
    async with _served(bench, size) as servers:
        [rounds] = await in_turn(min(bench.rounds, 3), one_round)
    async with _served(bench, size // _AT_ONCE) as servers:
        several_mib = await _several(bench, servers)
    what = f"{size / 1e6:g} MB between servers of {_BYTES_A_SECOND / 1e6:g} MB/s"
    floors = ", by ".join(f"{one.floor_s:.2f} s" for one in rounds)
    over = f"{counted(len(rounds), 'round')}, by {floors}"
    ours = [one.worker_s / one.floor_s for one in rounds]
    pipes = [one.pipe_s / one.floor_s for one in rounds]
    cpu = [one.worker_cpu_s for one in rounds]
    several = f"{_AT_ONCE} such transfers at once, of {size / 1e6 / _AT_ONCE:g} MB"
    return [
        Figure(f"{what}, by the slower of its halves", "×", ours, goal=at_most(1.15), over=over),
        Figure(f"{what}, a pipe of curl by the same", "×", pipes, over=over),
        Figure(f"{what}, CPU of the worker", "s", cpu, goal=at_most(1.5)),
        Figure(f"{several}, highest memory (RSS)", "MiB", [several_mib], goal=at_most(100)),
    ]


async def _round(bench: Bench, servers: _Servers) -> _Round:
    floor_s = max(await _run(servers.download, None), await _run(servers.upload, servers.file))
    pipe_s = await _piped(servers)
    async with Site(_worker(bench, servers)) as site:
        await site.start_worker()
        before_s, mark = site.cpu_s(), await site.mark()
        await site.run_alone(await _video_job(bench, servers))
        used_s = site.cpu_s() - before_s
        entries = await site.events(mark, completed=1)
    worker_s = (last(entries, "completed") - first(entries, "active")) / 1000
    return _Round(worker_s, used_s, pipe_s, floor_s)


async def _several(bench: Bench, servers: _Servers) -> float:
    async with Site(_worker(bench, servers), _AT_ONCE) as site:
        worker = await site.start_worker()
        mark = await site.mark()
        await site.run_alone(*[await _video_job(bench, servers) for _ in range(_AT_ONCE)])
        await site.events(mark, completed=_AT_ONCE)
        return peak_mib(worker)


def _worker(bench: Bench, servers: _Servers) -> Contender:
    settings = {
        "SUPABASE_URL": f"http://{LOOPBACK}:{servers.sink_port}",
        "DOWNLOAD_ALLOWED_HOSTS": f"{_HOST}:{servers.source_port}={LOOPBACK}",
        "SSL_CERT_FILE": str(servers.roots),
    }
    return python_worker(bench.vidfab, bench.folder, **settings)


async def _video_job(bench: Bench, servers: _Servers) -> Job:
    user = await create_user(bench.vidfab.supabase)
    row: dict[str, Any] = {"user_id": user, "prompt": "x", "settings": {}}
    [video] = await bench.vidfab.supabase.insert(
        "user_videos", [row | {"wavespeed_request_id": uuid4().hex}]
    )
    ids = {"userId": user, "videoId": video["id"]}
    return Job("download_video", {**ids, "originalUrl": servers.video_url})


async def _run(command: list[str], stdin: Path | None) -> float:
    """Seconds of one program, whose output goes nowhere."""
    began = time.monotonic()
    with (stdin or Path("/dev/null")).open("rb") as stream:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=stream, stdout=asyncio.subprocess.DEVNULL
        )
        _check(await process.wait(), command)
    return time.monotonic() - began


async def _piped(servers: _Servers) -> float:
    """Seconds of a download that is piped into an upload."""
    began = time.monotonic()
    out, into = os.pipe()
    try:
        down = await asyncio.create_subprocess_exec(*servers.download, stdout=into)
        up = await asyncio.create_subprocess_exec(
            *servers.upload, stdin=out, stdout=asyncio.subprocess.DEVNULL
        )
    finally:
        os.close(out)
        os.close(into)
    _check(await down.wait(), servers.download)
    _check(await up.wait(), servers.upload)
    return time.monotonic() - began


def _check(code: int, command: list[str]) -> None:
    if code:
        raise SandboxError(f"{command[0]} ended with code {code}")


@asynccontextmanager
async def _served(bench: Bench, size_bytes: int) -> AsyncGenerator[_Servers]:
    """Servers for a video of that size."""
    clip = await make_clip(Clip(seconds=5), bench.folder / "paced-clip.mp4")
    file = padded(clip, bench.folder / f"paced-{size_bytes}.mp4", size_bytes)
    authority = trustme.CA(organization_name="VidFab benchmark")
    certificate, roots = bench.folder / "paced.pem", bench.folder / "paced-roots.pem"
    authority.issue_cert(_HOST).private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(roots))
    ready = bench.folder / f"paced-{uuid4().hex}.json"
    port = str(bench.vidfab.supabase.port)
    told = [str(certificate), str(file), str(_BYTES_A_SECOND), port, str(ready)]
    command = [sys.executable, "-m", "bench.paced_servers", *told]
    process = Process(command, bench.folder / "paced.log", name="paced servers", cwd=ROOT)
    await process.start(exists(ready))
    try:
        ports = json.loads(ready.read_text("ascii"))
        yield _Servers(ports["source"], ports["sink"], roots, file)
    finally:
        await process.stop()
        file.unlink()
