"""A project of three shots, the jobs for them, and what providers made for each row."""

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from sandbox.app import Project, Shot, create_project, create_user
from sandbox.app_shots import CLIPS, PROJECTS, STORYBOARDS
from sandbox.providers.drawing.clips import Clip, make_clip
from sandbox.providers.models import Operation
from tests.support.site import Site

# The length of each shot by its number at first.
SECONDS = {1: 4, 2: 8, 3: 6}

Row = dict[str, Any]


class ThreeShots:
    """The project's rows and jobs. `made` has the checksum of each row's picture or clip."""

    def __init__(self, site: Site, project: Project) -> None:
        self.site = site
        self.project = project
        self.supabase = site.vidfab.supabase
        self.made: dict[str, str] = {}

    def task(self, number: int) -> str:
        """The Seedance task of the shot that has this number at first."""
        return f"{self.project.id}-{number}"

    async def lay_ordered_clips(self) -> None:
        """As the app leaves them when it has ordered them; Seedance has them ready."""
        for number in SECONDS:
            ready = Operation(after_s=0, url=clip_url(self.site, number))
            await self.site.vidfab.providers.control.register("tasks", self.task(number), ready)
        await self._lay(CLIPS, [self._clip(number) for number in SECONDS])
        await self.set_project(step_4_status="processing")

    async def lay_generated_clips(self, **columns: Any) -> None:
        """As the app's status route leaves them."""
        await self._lay(CLIPS, [{**self._generated(number), **columns} for number in SECONDS])
        await self.set_project(step_4_status="completed")

    async def lay_pictures(self) -> None:
        """As the storyboard job leaves them."""
        rows: list[Row] = []
        for number in SECONDS:
            url = picture_url(self.site, number)
            urls = {"image_url": url, "image_url_external": url}
            rows.append({"status": "success", "storage_status": "pending", **urls})
        await self._lay(STORYBOARDS, self._numbered(rows))

    async def add_clip_downloads(self, **options: Any) -> list[str]:
        """As the app does: the provider's id is in the job's id alone."""
        return [await self.add_clip_download(number, **options) for number in SECONDS]

    async def add_clip_download(self, number: int, **options: Any) -> str:
        job_id = f"va_clip_download_{self.project.id}_{number}_{self.task(number)}"
        data = {"shotNumber": number, "externalUrl": clip_url(self.site, number)}
        return await self._add("video_clip_download", job_id, data, options)

    async def add_picture_downloads(self, *, with_ids: bool = True, **options: Any) -> list[str]:
        """As the app does, or in the older form, which has no row ids."""
        jobs: list[str] = []
        for number, row in zip(SECONDS, await self.rows(STORYBOARDS), strict=True):
            job_id = f"storyboard_download_{self.project.id}_{number}"
            data = {"shotNumber": number, "externalUrl": picture_url(self.site, number)}
            if with_ids:
                job_id, data = f"{job_id}_{row['id']}", {**data, "storyboardId": row["id"]}
            jobs.append(await self._add("storyboard_download", job_id, data, options))
        return jobs

    async def add_batch(self) -> str:
        job_id = f"storyboard_download_batch_{self.project.id}"
        data = {"shotNumber": 0, "externalUrl": "__BATCH__"}
        return await self._add("storyboard_download", job_id, data, {})

    async def rows(self, table: str) -> list[Row]:
        """The project's, in the order of their numbers."""
        of_project = f"eq.{self.project.id}"
        return await self.supabase.rows(table, project_id=of_project, order="shot_number")

    async def set_project(self, **columns: Any) -> None:
        await self.supabase.update(PROJECTS, columns, id=f"eq.{self.project.id}")

    async def check_stored(self, table: str, count: int = 2) -> None:
        """So many rows are there, numbered from 1, and each shows what was made for it."""
        rows = await self.rows(table)
        assert [row["shot_number"] for row in rows] == list(range(1, count + 1))
        for row in rows:
            assert (row["status"], row["storage_status"]) == ("success", "completed"), row
            assert row["error_message"] is None
        await self.check_shown(table)
        assert len({row["cdn_url"] for row in rows}) == count

    async def check_shown(self, table: str) -> None:
        """What is stored is shown by the row that it was made for."""
        for row in await self.rows(table):
            if row["cdn_url"]:
                assert await shown(row) == self.made[row["id"]], row

    def _clip(self, number: int) -> Row:
        return {
            "project_id": self.project.id,
            "shot_number": number,
            "status": "generating",
            "seedance_task_id": self.task(number),
        }

    def _generated(self, number: int) -> Row:
        url = clip_url(self.site, number)
        urls = {"video_url": url, "video_url_external": url}
        return {**self._clip(number), **urls, "status": "success", "storage_status": "pending"}

    def _numbered(self, rows: list[Row]) -> list[Row]:
        own = {"project_id": self.project.id}
        return [{**own, "shot_number": n, **row} for n, row in zip(SECONDS, rows, strict=True)]

    async def _lay(self, table: str, rows: list[Row]) -> None:
        ending = "mp4" if table == CLIPS else "jpg"
        for row in await self.supabase.insert(table, rows):
            name = f"three-shots-{row['shot_number']}.{ending}"
            self.made[row["id"]] = await checksum(self.site.vidfab.providers.media_folder / name)

    async def _add(
        self, name: str, job_id: str, data: Mapping[str, Any], options: Mapping[str, Any]
    ) -> str:
        project = {"projectId": self.project.id, "videoId": self.project.id}
        common = {**project, "jobId": job_id, "userId": self.project.user_id}
        given = {"jobId": job_id, "priority": 3, "attempts": 3, **options}
        return await self.site.app.add(name, {**common, **data}, given)


async def three_shots(site: Site, user_id: str | None = None) -> ThreeShots:
    """A new project, of a new user without `user_id`, and the files of its providers."""
    supabase = site.vidfab.supabase
    await _make_files(site.vidfab.providers.media_folder)
    owner = user_id or await create_user(supabase)
    shots = [Shot(n, f"SHOT-{n}", duration_seconds=length) for n, length in SECONDS.items()]
    return ThreeShots(site, await create_project(supabase, owner, shots))


def clip_url(site: Site, number: int) -> str:
    return f"{site.vidfab.providers.media_url}/three-shots-{number}.mp4"


def picture_url(site: Site, number: int) -> str:
    return f"{site.vidfab.providers.media_url}/three-shots-{number}.jpg"


async def shown(row: Row) -> str:
    """The checksum of what a browser gets at the row's `cdn_url`."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(row["cdn_url"])
    return sha256(answer.raise_for_status().content).hexdigest()


async def checksum(file: Path) -> str:
    return sha256(await asyncio.to_thread(file.read_bytes)).hexdigest()


async def _make_files(folder: Path) -> None:
    """Clips and pictures that differ; number 4 is for what is ordered anew."""
    for number in (*SECONDS, 4):
        clip = folder / f"three-shots-{number}.mp4"
        if not clip.exists():
            await make_clip(Clip(seconds=1, width=160, height=90, number=number), clip)
            Image.new("RGB", (64, 36), (60 * number, 0, 0)).save(clip.with_suffix(".jpg"))
