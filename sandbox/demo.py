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

import httpx
from rich.console import Console
from rich.live import Live
from rich.table import Table

from sandbox import node
from sandbox.app import (
    Character,
    NodeApp,
    Project,
    Shot,
    create_project,
    create_user,
)
from sandbox.board import final_table, jobs_seen, live_board
from sandbox.processes import SandboxError
from sandbox.providers.drawing.contact_sheet import contact_sheet
from sandbox.vidfab import VidFab
from sandbox.whole_project import WholeProject
from sandbox.worker_process import start_worker
from services.media.ffmpeg import Ffmpeg

OUTPUT = Path("demo-output")
LOGS = OUTPUT / "logs"
QUEUE = "vidfab-video-processing"
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
    with Live(
        console=console,
        refresh_per_second=10,
        get_renderable=lambda: live_board(app.events),
    ):
        await WholeProject(vidfab, app, project).play()
    return await _report(console, vidfab, app, project)


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
