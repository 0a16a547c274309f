"""What a person sees of a project's storyboards: the app's own rules, in our words.

`generate` is refused while any row says `generating`, `status` is polled every 2 s for 15 minutes,
`reset` deletes the rows under running jobs.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.app import Project, enqueue_storyboards
from sandbox.producer import NodeApp
from sandbox.supabase import SupabaseLite

POLL_S = 2.0
PATIENCE_S = 15 * 60.0

Shown = Literal["processing", "completed", "partial", "failed", "gave up"]


class StillGenerating(Exception):
    """The route's refusal: pictures of the project are being made already."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the page shows in the end, after how many seconds, and the pictures by shot."""

    shown: Shown
    after_s: float
    pictures: dict[int, str]


class StoryboardPage:
    """The storyboard step of one project, as a person uses it.

    `now` is the clock of the browser, in seconds, and `sleep` waits by it: a test's own.
    """

    def __init__(
        self,
        app: NodeApp,
        supabase: SupabaseLite,
        project: Project,
        *,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._app = app
        self._supabase = supabase
        self._project = project
        self._now = now
        self._sleep = sleep

    async def generate(self, *, attempts: int = 3, backoff_ms: int = 5000) -> str:
        """Ask for a picture of every shot. Returns the job's id; raises StillGenerating."""
        rows = await self._rows(status="eq.generating")
        if rows:
            raise StillGenerating(f"{len(rows)} pictures are being made")
        return await enqueue_storyboards(
            self._app, self._supabase, self._project, attempts=attempts, backoff_ms=backoff_ms
        )

    async def reset(self) -> None:
        """Delete all rows and begin the step anew; running jobs are not asked."""
        of_project = {"project_id": f"eq.{self._project.id}"}
        await self._supabase.request("DELETE", "/rest/v1/project_storyboards", params=of_project)
        await self._supabase.update(
            "video_agent_projects", {"step_3_status": "pending"}, id=f"eq.{self._project.id}"
        )

    async def status(self) -> Shown:
        """What one poll shows: nothing is settled while a current row is being made."""
        statuses = {row["status"] for row in await self._rows(is_current="is.true")}
        if "generating" in statuses or not statuses:
            return "processing"
        if statuses == {"success"}:
            return "completed"
        return "partial" if "success" in statuses else "failed"

    async def watch(self) -> Seen:
        """Poll until the page shows an end, or the person's patience is over."""
        began = self._now()
        while (shown := await self.status()) == "processing":
            if self._now() - began >= PATIENCE_S:
                shown = "gave up"
                break
            await self._sleep(POLL_S)
        return Seen(shown, self._now() - began, await self._pictures())

    async def _pictures(self) -> dict[int, str]:
        rows = await self._rows(is_current="is.true", status="eq.success")
        return {row["shot_number"]: row["image_url"] for row in rows}

    async def _rows(self, **filters: str) -> list[dict[str, Any]]:
        return await self._supabase.rows(
            "project_storyboards", project_id=f"eq.{self._project.id}", **filters
        )
