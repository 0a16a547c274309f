"""`make demo`: a whole project from script to final video, seen as the app sees it.

Redis, Supabase Lite, the vendors' stand-ins, the worker and the app's Node producer are processes
of their own; this one only asks as the app would, watches the queue's events and shows.
"""

import argparse
import asyncio
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from rich.console import Console
from rich.live import Live
from rich.table import Table

from sandbox import app_videos, node
from sandbox.app import (
    Character,
    NodeApp,
    Project,
    Shot,
    create_project,
    create_user,
    enqueue_storyboards,
)
from sandbox.board import final_table, jobs_seen, live_board
from sandbox.processes import SandboxError
from sandbox.providers.contact_sheet import contact_sheet
from sandbox.vidfab import VidFab
from sandbox.worker_process import start_worker
from services.ffmpeg import Ffmpeg

OUTPUT = Path("demo-output")
LOGS = OUTPUT / "logs"
QUEUE = "vidfab-video-processing"
# All of it takes about half a minute on two cores.
_TIME_LIMIT_S = 240
_PICTURE_S = 1.5

_SCRIPT = [
    ("Ginger watches the rain from the window sill", "sits, ears forward", ("Ginger",)),
    ("Bob opens the red door and shakes his umbrella", "steps inside", ("Bob",)),
    ("Ginger runs to Bob across the kitchen", "runs, tail up", ("Ginger", "Bob")),
    ("the orange cat jumps into the open suitcase", "leaps", ("the orange cat",)),
    ("Bob 把 Ginger 抱起来, 窗外雨停了", "拥抱", ("Bob", "Ginger")),
    ("Ginger sees herself in the mirror of the wardrobe", "tilts her head", ("Ginger",)),
]
_SHOT_S = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the demo; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--svg", type=Path, help="also save the terminal's picture to this file")
    options = parser.parse_args(list(arguments or ()))
    console = Console(record=options.svg is not None, width=110 if options.svg else None)
    shutil.rmtree(OUTPUT, ignore_errors=True)
    LOGS.mkdir(parents=True)
    try:
        code = asyncio.run(_play(console))
    except (SandboxError, TimeoutError, httpx.HTTPError) as error:
        console.print(f"[red]✗ The demo stopped:[/] {error}", highlight=False)
        return 1
    if options.svg:
        options.svg.write_text(_without_web_fonts(console.export_svg(title="make demo")), "utf-8")
    return code


def _without_web_fonts(svg: str) -> str:
    """The picture, drawn with the reader's own monospace font."""
    return re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)


async def _play(console: Console) -> int:
    with console.status("Preparing Node and its packages (the first time takes a minute)..."):
        await node.install()
    with console.status("Starting Redis, Supabase Lite and the vendors' stand-ins..."):
        vidfab = VidFab()
        await vidfab.start()
    try:
        return await _with_site(console, vidfab)
    finally:
        await vidfab.close()


async def _with_site(console: Console, vidfab: VidFab) -> int:
    console.print(f"Redis     {vidfab.redis.url}")
    console.print(f"Supabase  {vidfab.supabase.url} (Lite, on PGlite)")
    console.print(f"Vendors   {vidfab.providers.api_url} (stand-ins that draw)")
    folder = await asyncio.to_thread(LOGS.absolute)
    vendors = vidfab.providers.environment
    worker = await start_worker(vidfab.settings(QUEUE, **vendors), folder)
    console.print(f"Worker    process {worker.pid}, log in {LOGS}/{worker.log.name}")
    try:
        async with NodeApp(vidfab.redis.url, QUEUE) as app:
            console.print(f"Producer  Node bullmq {await app.version()}\n")
            await app.observe()
            return await _show(console, vidfab, app)
    finally:
        await worker.stop()


async def _show(console: Console, vidfab: VidFab, app: NodeApp) -> int:
    await vidfab.providers.control.delay("/ark/api/v3/images/*", _PICTURE_S)
    project = await _project(vidfab)
    async with asyncio.timeout(_TIME_LIMIT_S):
        with Live(
            console=console,
            refresh_per_second=10,
            get_renderable=lambda: live_board(app.events),
        ):
            await _storyboards(vidfab, app, project)
            await _clips(vidfab, app, project)
            await _ended(app, await app_videos.enqueue_compose(app, project))
            await _single_video(vidfab, app, project.user_id)
    return await _report(console, vidfab, app, project)


async def _storyboards(vidfab: VidFab, app: NodeApp, project: Project) -> None:
    job_id = await enqueue_storyboards(app, vidfab.supabase, project)
    await _ended(app, job_id)
    await _all_ended(app, "storyboard_download")


async def _clips(vidfab: VidFab, app: NodeApp, project: Project) -> None:
    """Order the clips, then ask how they are until none is under way, as the app's page does."""
    await app_videos.generate_clips(vidfab.supabase, vidfab.providers.byteplus_url, project)
    status = "processing"
    while status != "completed":
        await _synced(app, project)
        [row] = await vidfab.supabase.rows("video_agent_projects", id=f"eq.{project.id}")
        status = row["step_4_status"]
        await asyncio.sleep(0.5)
    await _all_ended(app, "video_clip_download")


async def _synced(app: NodeApp, project: Project) -> None:
    """One more sync, to its end; each runs under the same id."""
    runs = len(_ends_of(app, f"va_sync_{project.id}"))
    job_id = await app_videos.enqueue_sync(app, project)
    await app.wait_until(lambda: len(_ends_of(app, job_id)) > runs, _TIME_LIMIT_S)


async def _single_video(vidfab: VidFab, app: NodeApp, user_id: str) -> None:
    """A user's own video: stored, thumbnailed, counted; then its temporary files go."""
    video_id = str(uuid4())
    url = f"{vidfab.providers.media_url}/clip/own-video.mp4?seconds=4&text=A+user's+own+video"
    await app_videos.enqueue_video(app, vidfab.supabase, user_id, video_id, url)
    await _ended(app, f"thumbnail_{video_id}")
    await _ended(app, await app_videos.enqueue_quota(app, user_id, video_id))
    await _ended(app, await app_videos.enqueue_cleanup(app, user_id, video_id, [url]))


async def _project(vidfab: VidFab) -> Project:
    media = vidfab.providers.media_url
    characters = [
        Character("Ginger (orange tabby cat, animated)", [f"{media}/img/ref-ginger.jpg"]),
        Character("Bob (white man, 30s)", [f"{media}/img/ref-bob.jpg"]),
    ]
    shots = [
        Shot(number, text, action, names, duration_seconds=_SHOT_S)
        for number, (text, action, names) in enumerate(_SCRIPT, 1)
    ]
    user = await create_user(vidfab.supabase)
    return await create_project(vidfab.supabase, user, shots, characters, style="cinematic")


def _ends_of(app: NodeApp, job_id: str) -> list[str]:
    return [one.name for one in app.events_of(job_id) if one.name in {"completed", "failed"}]


async def _ended(app: NodeApp, job_id: str) -> None:
    await app.wait_until(lambda: bool(_ends_of(app, job_id)), _TIME_LIMIT_S)


async def _all_ended(app: NodeApp, name: str) -> None:
    """Until no job of this name is open."""
    await app.wait_until(
        lambda: all(job.ended_at for job in jobs_seen(app.events) if job.name == name),
        _TIME_LIMIT_S,
    )


async def _report(console: Console, vidfab: VidFab, app: NodeApp, project: Project) -> int:
    of_project = f"eq.{project.id}"
    rows = await vidfab.supabase.rows(
        "project_storyboards", project_id=of_project, order="shot_number"
    )
    [final] = await vidfab.supabase.rows("video_agent_projects", id=of_project)
    files = await _fetch(rows, final)
    pictures = [(files[f"shot-{s.shot_number}.jpg"], s) for s in project.shots]
    captions = [(file, f"{shot.shot_number}. {shot.description}") for file, shot in pictures]
    sheet = contact_sheet(captions, OUTPUT / "contact-sheet.jpg", title="Storyboards")
    film = await Ffmpeg().probe(await asyncio.to_thread(files["final.mp4"].absolute))
    console.print("\n", final_table(app.events))
    console.print("\n", _rows_table(rows))
    size = f"{film.width}x{film.height}"
    console.print(f"\nPictures  {sheet}")
    console.print(f"Film      {files['final.mp4']}  {film.duration_s:.1f} s, {size}")
    failed = [job.job_id for job in jobs_seen(app.events) if job.state != "completed"]
    if failed:
        console.print(f"[red]✗ not completed: {', '.join(failed)}[/]")
    return 1 if failed else 0


def _rows_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(title="project_storyboards", title_justify="left")
    for column in ("shot", "status", "storage", "KiB", "image_storage_path"):
        table.add_column(column, justify="right" if column in {"shot", "KiB"} else "left")
    for row in rows:
        path = str(row["image_storage_path"] or row["error_message"])
        table.add_row(
            str(row["shot_number"]),
            row["status"],
            row["storage_status"],
            str((row["file_size"] or 0) // 1024),
            f"…/{path.rpartition('/')[2]}",
        )
    return table


async def _fetch(rows: list[dict[str, Any]], final: dict[str, Any]) -> dict[str, Path]:
    """What was stored, by its public URLs, as a browser would get it."""
    urls = {f"shot-{row['shot_number']}.jpg": row["cdn_url"] for row in rows}
    files: dict[str, Path] = {}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for name, url in {**urls, "final.mp4": final["final_video_url"]}.items():
            if not url:
                raise SandboxError(f"{name} was not stored; see the worker's log in {LOGS}/")
            answer = (await client.get(url)).raise_for_status()
            files[name] = OUTPUT / name
            files[name].write_bytes(answer.content)
    return files


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
