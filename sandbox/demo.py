"""`make demo`: a storyboard project from script to stored pictures, seen as the app sees it.

Redis, Supabase Lite, the vendors' stand-ins, the worker and the app's Node producer are processes
of their own; this one only watches, asks and shows.
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
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sandbox import node
from sandbox.app import (
    Character,
    Event,
    NodeApp,
    Project,
    Shot,
    create_project,
    create_user,
    enqueue_storyboards,
)
from sandbox.processes import SandboxError
from sandbox.providers.contact_sheet import contact_sheet
from sandbox.vidfab import VidFab
from sandbox.worker_process import start_worker

OUTPUT = Path("demo-output")
LOGS = OUTPUT / "logs"
QUEUE = "vidfab-video-processing"
# Six pictures, three at a time, 1.5 s each, and their downloads take about 6 s.
_TIME_LIMIT_S = 120
_PICTURE_S = 1.5

_SCRIPT = [
    ("Ginger watches the rain from the window sill", "sits, ears forward", ("Ginger",)),
    ("Bob opens the red door and shakes his umbrella", "steps inside", ("Bob",)),
    ("Ginger runs to Bob across the kitchen", "runs, tail up", ("Ginger", "Bob")),
    ("the orange cat jumps into the open suitcase", "leaps", ("the orange cat",)),
    ("Bob 把 Ginger 抱起来, 窗外雨停了", "拥抱", ("Bob", "Ginger")),
    ("Ginger sees herself in the mirror of the wardrobe", "tilts her head", ("Ginger",)),
]


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
    console.print(f"BytePlus  {vidfab.providers.byteplus_url} (a stand-in that draws)")
    folder = await asyncio.to_thread(LOGS.absolute)
    worker = await start_worker(vidfab.settings(QUEUE), folder)
    console.print(f"Worker    process {worker.pid}, log in {LOGS}/{worker.log.name}\n")
    try:
        async with NodeApp(vidfab.redis.url, QUEUE) as app:
            console.print(f"Producer  Node bullmq {await app.version()}\n")
            return await _storyboards(console, vidfab, app)
    finally:
        await worker.stop()


async def _storyboards(console: Console, vidfab: VidFab, app: NodeApp) -> int:
    await vidfab.providers.control.delay("/ark/*", _PICTURE_S)
    await app.observe()
    project = await _project(vidfab)
    job_id = await enqueue_storyboards(app, vidfab.supabase, project)
    await _watch(console, app, job_id, len(project.shots))
    rows = await vidfab.supabase.rows(
        "project_storyboards", project_id=f"eq.{project.id}", order="shot_number"
    )
    pictures = await _fetch(rows)
    sheet = contact_sheet(
        [
            (file, f"{shot.shot_number}. {shot.description}")
            for file, shot in pictures_of(pictures, project)
        ],
        OUTPUT / "contact-sheet.jpg",
        title="Storyboards",
    )
    console.print("\n", _rows_table(rows))
    stored = sum(row["storage_status"] == "completed" for row in rows)
    console.print(f"\n{stored} of {len(rows)} pictures stored. They lie in {OUTPUT}/, see {sheet}.")
    return 0 if stored == len(rows) else 1


def pictures_of(files: dict[int, Path], project: Project) -> list[tuple[Path, Shot]]:
    """Pair each picture with its shot."""
    return [(files[shot.shot_number], shot) for shot in project.shots if shot.shot_number in files]


async def _project(vidfab: VidFab) -> Project:
    media = vidfab.providers.media_url
    characters = [
        Character("Ginger (orange tabby cat, animated)", [f"{media}/img/ref-ginger.jpg"]),
        Character("Bob (white man, 30s)", [f"{media}/img/ref-bob.jpg"]),
    ]
    shots = [
        Shot(number, text, action, names) for number, (text, action, names) in enumerate(_SCRIPT, 1)
    ]
    user = await create_user(vidfab.supabase)
    return await create_project(vidfab.supabase, user, shots, characters, style="cinematic")


async def _watch(console: Console, app: NodeApp, job_id: str, shots: int) -> None:
    """Show every job's bar until the storyboards and their downloads are finished."""
    async with asyncio.timeout(_TIME_LIMIT_S):
        with Live(console=console, refresh_per_second=10, get_renderable=lambda: _bars(app)):
            end = await app.wait_for(job_id, "completed", _TIME_LIMIT_S)
            wanted = end.args["returnvalue"]["data"]["completed"]
            await app.wait_until(lambda: len(_ended(app)) > wanted, _TIME_LIMIT_S)
    if wanted < shots:
        console.print(f"[yellow]{shots - wanted} shots have no picture[/]")


def _ended(app: NodeApp) -> set[str | None]:
    return {event.job_id for event in app.events if event.name in {"completed", "failed"}}


def _bars(app: NodeApp) -> Group:
    """One line a job: its bar and what the app would say to the person who waits."""
    latest: dict[str, Event] = {}
    for event in list(app.events):
        if event.name in {"waiting", "active", "progress", "completed", "failed"} and event.job_id:
            kept = latest.get(event.job_id)
            if event.name in {"progress", "failed"} or kept is None:
                latest[event.job_id] = event
    return Group(*(_bar(job_id, event.args.get("data")) for job_id, event in latest.items()))


def _bar(job_id: str, progress: dict[str, Any] | None) -> Table:
    shown = progress or {"percent": 0, "message": "waiting"}
    name = (
        job_id.split("_")[0] if "download" not in job_id else f"  download {job_id.split('_')[3]}"
    )
    line = Table.grid(padding=(0, 1))
    line.add_column(width=14)
    line.add_column(width=30)
    line.add_column(width=5, justify="right")
    line.add_row(
        Text(name),
        ProgressBar(total=100, completed=shown["percent"], width=30),
        f"{shown['percent']}%",
        shown["message"],
    )
    return line


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


async def _fetch(rows: list[dict[str, Any]]) -> dict[int, Path]:
    """The stored pictures by their public URLs, as a browser would get them."""
    files: dict[int, Path] = {}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for row in rows:
            if row["cdn_url"]:
                answer = (await client.get(row["cdn_url"])).raise_for_status()
                file = OUTPUT / f"shot-{row['shot_number']}.jpg"
                file.write_bytes(answer.content)
                files[row["shot_number"]] = file
    return files


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
