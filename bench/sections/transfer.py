"""A large video from the provider to storage: time, memory and CPU time of the worker."""

import asyncio
import re
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench.bare_transfer import download_s, upload_s
from bench.contenders import Contender, Job, node_worker, python_worker
from bench.figure import Figure, at_most, at_most_of_node, counted, in_turn
from bench.setup import Bench
from bench.site import Site, first, last
from sandbox.app import create_user
from sandbox.gateway import Gateway
from sandbox.processes import Process
from sandbox.providers.drawing.clips import Clip, make_clip
from tests.support.mp4 import padded


@dataclass(frozen=True)
class Transfer:
    """Of one job. Memory is the highest of the worker's whole life, as the kernel kept it."""

    seconds: float
    peak_mib: float
    cpu_s: float


@dataclass(frozen=True)
class Round:
    """Both workers, and the slower of download and upload alone."""

    python: Transfer
    node: Transfer
    floor_s: float


async def measure(bench: Bench) -> list[Figure]:
    rounds = await _in_one_request(bench)
    async with Gateway(bench.vidfab.supabase) as gateway:
        hosted = python_worker(bench.vidfab, bench.folder, SUPABASE_URL=gateway.url)
        resumed = await _transferred(bench, hosted)
    size = f"{bench.sizes.video_bytes / 1e6:g} MB to storage"
    ours, theirs = [one.python for one in rounds], [one.node for one in rounds]
    floors = [one.floor_s for one in rounds]
    return [
        Figure(size, "s", [one.seconds for one in ours], [one.seconds for one in theirs]),
        Figure(
            f"{size}, by the slower of its halves",
            "×",
            [one.seconds / floor for one, floor in zip(ours, floors, strict=True)],
            [one.seconds / floor for one, floor in zip(theirs, floors, strict=True)],
            at_most(1.2),
            f"{counted(len(rounds), 'round')}, by {statistics.median(floors):.2f} s",
        ),
        Figure(
            f"{size}, CPU of the worker",
            "s",
            [one.cpu_s for one in ours],
            [one.cpu_s for one in theirs],
            at_most_of_node(0.25),
        ),
        Figure(
            f"{size}, highest memory (RSS)",
            "MiB",
            [one.peak_mib for one in ours],
            [one.peak_mib for one in theirs],
            at_most(110),
        ),
        Figure(
            f"{size} by a resumable upload, highest memory (RSS)",
            "MiB",
            [resumed.peak_mib],
            goal=at_most(110),
        ),
    ]


async def _in_one_request(bench: Bench) -> list[Round]:
    """As the storage of Supabase Lite takes it: both workers can that."""
    file, vidfab = await _lay_file(bench), bench.vidfab
    node = node_worker(
        bench.folder,
        SUPABASE_URL=vidfab.supabase.url,
        SUPABASE_SERVICE_KEY=vidfab.supabase.service_key,
        NODE_EXTRA_CA_CERTS=str(vidfab.providers.ca_file),
    )

    async def one_round() -> Round:
        python = await _transferred(bench, bench.python)
        return Round(python, await _transferred(bench, node), await _floor_s(bench, file))

    [rounds] = await in_turn(bench.rounds, one_round)
    return rounds


async def _floor_s(bench: Bench, file: Path) -> float:
    down = await asyncio.to_thread(download_s, bench.vidfab.providers, file.name)
    up = await asyncio.to_thread(upload_s, bench.vidfab.supabase, file)
    await _empty(bench)
    return max(down, up)


async def _transferred(bench: Bench, contender: Contender) -> Transfer:
    """By a new worker, whose memory knows of nothing else."""
    job = await _video_job(bench)
    async with Site(contender) as site:
        worker = await site.start_worker()
        before_s, mark = site.cpu_s(), await site.mark()
        await site.run_alone(job)
        used_s = site.cpu_s() - before_s
        entries = await site.events(mark, completed=1)
        highest_mib = peak_mib(worker)
    await _empty(bench)
    seconds = (last(entries, "completed") - first(entries, "active")) / 1000
    return Transfer(seconds, highest_mib, used_s)


async def _lay_file(bench: Bench) -> Path:
    clip = await make_clip(Clip(seconds=5), bench.folder / "clip.mp4")
    media = bench.vidfab.providers.media_folder
    return padded(clip, media / "large.mp4", bench.sizes.video_bytes)


async def _video_job(bench: Bench) -> Job:
    user = await create_user(bench.vidfab.supabase)
    row: dict[str, Any] = {"user_id": user, "prompt": "x", "settings": {}}
    [video] = await bench.vidfab.supabase.insert(
        "user_videos", [row | {"wavespeed_request_id": uuid4().hex}]
    )
    url = f"{bench.vidfab.providers.media_url}/large.mp4"
    return Job("download_video", {"userId": user, "videoId": video["id"], "originalUrl": url})


async def _empty(bench: Bench) -> None:
    """Give the disk back what was stored."""
    await bench.vidfab.supabase.request("POST", "/storage/v1/bucket/user-videos/empty", json={})


def peak_mib(worker: Process) -> float:
    """The highest resident memory of its life."""
    status = Path(f"/proc/{worker.pid}/status").read_text("ascii")
    [kib] = re.findall(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(kib) / 1024
