"""The app's sixth step: asks for the final video, and shows the person how it is."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

from sandbox.producer import JobView, NodeApp
from sandbox.supabase import SupabaseLite

POLL = timedelta(seconds=2)
PATIENCE = timedelta(minutes=15)
"""How long the page polls, and how old a project's row may be while its job works."""

_TABLE = "video_agent_projects"
_OPTIONS = {
    "priority": 3,
    "attempts": 3,
    "backoff": {"type": "exponential", "delay": 10_000},
    "removeOnComplete": 50,
    "removeOnFail": 20,
}

State = Literal["processing", "completed", "failed"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page shows: a percentage, the video's address, or why there is none."""

    state: State
    percent: int | None = None
    message: str = ""
    url: str | None = None


class FilmPage:
    """Step 6 of one project as its person has it open, and the routes behind it.

    `now` in seconds since the epoch; `options` are the job's, in place of the app's own.
    """

    def __init__(
        self,
        app: NodeApp,
        supabase: SupabaseLite,
        project_id: str,
        user_id: str,
        *,
        now: Callable[[], float] = time.time,
        **options: Any,
    ) -> None:
        self.job_id = f"va_compose_{project_id}"
        self._app = app
        self._supabase = supabase
        self._project_id = project_id
        self._user_id = user_id
        self._now = now
        self._options = {**_OPTIONS, **options}

    async def start(self) -> None:
        """Ask for the video: a job that has ended makes room for the new one."""
        job = await self._app.job(self.job_id)
        if job is not None and job.finished_on:
            await self._app.remove(self.job_id)
        await self._add()

    async def try_again(self) -> None:
        """Remove the job, whatever its state, and add another.

        BullMQ removes none that a worker holds, and adds none beside it; the app says nothing.
        """
        await self._app.remove(self.job_id)
        await self._add()

    async def open(self) -> Shown:
        """Enter step 6: what has failed is tried again at once."""
        shown = await self.status()
        if shown.state != "failed":
            return shown
        await self.try_again()
        return await self.status()

    async def status(self) -> Shown:
        """One poll, in the app's own order."""
        job = await self._app.job(self.job_id)
        if job is None:
            return Shown("failed", message="The composition was not found")
        if job.finished_on:
            return await self._ended(job)
        if job.failed_reason:
            return Shown("failed", message=job.failed_reason)
        if await self._row_age_s() > PATIENCE.total_seconds():
            return Shown("failed", message="The composition takes too long")
        progress = _object(job.progress)
        return Shown("processing", progress.get("percent", 0), progress.get("message", ""))

    async def watch(self, pause: timedelta = POLL) -> list[Shown]:
        """Poll until the end, or until the person stops waiting; what was shown, each once."""
        shown: list[Shown] = []
        gives_up_at = self._now() + PATIENCE.total_seconds()
        while self._now() < gives_up_at:
            seen = await self.status()
            shown += [] if shown and shown[-1] == seen else [seen]
            if seen.state != "processing":
                break
            await asyncio.sleep(pause.total_seconds())
        return shown

    async def _add(self) -> None:
        await self._set(status="processing", step_6_status="processing")
        data = {
            "type": "va_compose_video",
            "jobId": self.job_id,
            "userId": self._user_id,
            "videoId": self._project_id,
            "projectId": self._project_id,
            "createdAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        await self._app.add("va_compose_video", data, {"jobId": self.job_id, **self._options})

    async def _ended(self, job: JobView) -> Shown:
        """The project is repaired from what the job returned, where it returned a video."""
        data = _object(_object(job.returnvalue).get("data"))
        video = _object(data.get("video"))
        if not data.get("composed") or not video.get("url"):
            return Shown("failed", message=job.failed_reason or "The composition failed")
        await self._set(
            status="completed",
            step_6_status="completed",
            final_video_url=video["url"],
            final_video_file_size=video["fileSize"],
            final_video_resolution=video["resolution"],
            final_video_storage_path=video["storageKey"],
        )
        return Shown("completed", 100, url=video["url"])

    async def _set(self, **columns: Any) -> None:
        await self._supabase.update(_TABLE, columns, id=f"eq.{self._project_id}")

    async def _row_age_s(self) -> float:
        [row] = await self._supabase.rows(_TABLE, id=f"eq.{self._project_id}", select="updated_at")
        return self._now() - datetime.fromisoformat(row["updated_at"]).timestamp()


def _object(value: Any) -> dict[str, Any]:
    """An object of JSON; empty for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
