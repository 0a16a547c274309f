"""What 450 MB through video_clip_download and download_video cost the worker.

    python -m bench.transfer

Memory is the highest of the worker's process, as the kernel kept it (Linux only).
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

from sandbox.app import NodeApp, Shot, create_project, create_user
from sandbox.gateway import Gateway
from sandbox.processes import Process
from sandbox.providers.clips import Clip, make_clip
from sandbox.vidfab import VidFab
from sandbox.worker_process import start_worker
from tests.support.mp4 import padded

_SIZE_BYTES = 450 * 1000 * 1000


async def measure(folder: Path) -> list[str]:
    """Lines for each way of storing: a hosted Supabase's, and one request as with Lite."""
    async with VidFab(plain=True) as vidfab:
        await _lay_file(vidfab, folder)
        lines: list[str] = []
        for resumable in (True, False):
            async with Gateway(vidfab.supabase, resumable=resumable) as gateway:
                lines += [f"-- {'resumable upload' if resumable else 'one request'}"]
                lines += await _both_jobs(vidfab, gateway, folder)
        return lines


async def _both_jobs(vidfab: VidFab, gateway: Gateway, folder: Path) -> list[str]:
    user = await create_user(vidfab.supabase)
    jobs = [await _clip_job(vidfab, user), await _video_job(vidfab, user)]
    queue = f"bench-{uuid4().hex}"
    worker = await start_worker(vidfab.settings(queue, SUPABASE_URL=gateway.url), folder)
    lines = [f"before the first job: peak {_peak_mib(worker)} MiB"]
    try:
        async with NodeApp(vidfab.redis.url, queue) as app:
            await app.observe()
            lines += [await _run(app, worker, name, data) for name, data in jobs]
    finally:
        await worker.stop()
    updates = gateway.seen.count("PATCH /rest/v1/user_videos")
    return [*lines, f"updates of the video's row: {updates}"]


async def _lay_file(vidfab: VidFab, folder: Path) -> None:
    clip = await make_clip(Clip(seconds=5), folder / "clip.mp4")
    padded(clip, vidfab.providers.media_folder / "large.mp4", _SIZE_BYTES)


async def _clip_job(vidfab: VidFab, user: str) -> tuple[str, dict[str, Any]]:
    project = await create_project(vidfab.supabase, user, [Shot(1, "A door")])
    await vidfab.supabase.insert(
        "project_video_clips", [{"project_id": project.id, "shot_number": 1}]
    )
    data = {"userId": user, "projectId": project.id, "shotNumber": 1}
    return "video_clip_download", {**data, "externalUrl": _url(vidfab)}


async def _video_job(vidfab: VidFab, user: str) -> tuple[str, dict[str, Any]]:
    row = {"user_id": user, "wavespeed_request_id": uuid4().hex, "prompt": "x", "settings": {}}
    [video] = await vidfab.supabase.insert("user_videos", [row])
    return "download_video", {"userId": user, "videoId": video["id"], "originalUrl": _url(vidfab)}


def _url(vidfab: VidFab) -> str:
    return f"{vidfab.providers.media_url}/large.mp4"


async def _run(app: NodeApp, worker: Process, name: str, data: dict[str, Any]) -> str:
    job_id = await app.add(name, data, {"priority": 3})
    end = await app.wait_for(job_id, "completed", 300)
    begin = await app.wait_for(job_id, "active")
    events = len(app.events_of(job_id, "progress"))
    seconds = (end.at - begin.at) / 1000
    return f"{name}: {seconds:.1f} s, {events} progress events, peak {_peak_mib(worker)} MiB"


def _peak_mib(worker: Process) -> int:
    status = Path(f"/proc/{worker.pid}/status").read_text("ascii")
    [kib] = re.findall(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(kib) // 1024


def main() -> None:
    """Print the lines."""
    with tempfile.TemporaryDirectory(prefix="vidfab-bench-") as folder:
        lines = asyncio.run(measure(Path(folder)))
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main()
