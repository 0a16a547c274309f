"""A whole project as the app plays it, in order: every kind of job runs at least once."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

from sandbox import app_videos
from sandbox.app import NodeApp, Project, enqueue_storyboards
from sandbox.board import jobs_seen
from sandbox.vidfab import VidFab

# All of it takes about half a minute on two cores.
TIME_LIMIT_S = 240


@dataclass(frozen=True)
class WholeProject:
    """One project and the app that asks for its parts; `app` must observe the queue."""

    vidfab: VidFab
    app: NodeApp
    project: Project

    async def play(self) -> None:
        """Storyboards, clips, final video, then a video of the user's own. Raises TimeoutError."""
        async with asyncio.timeout(TIME_LIMIT_S):
            await self._storyboards()
            await self._clips()
            await self._ended(await app_videos.enqueue_compose(self.app, self.project))
            await self._single_video()

    async def _storyboards(self) -> None:
        job_id = await enqueue_storyboards(self.app, self.vidfab.supabase, self.project)
        await self._ended(job_id)
        await self._all_ended("storyboard_download")

    async def _clips(self) -> None:
        """Order the clips, then ask how they are until none is under way, as the page does."""
        supabase = self.vidfab.supabase
        await app_videos.generate_clips(supabase, self.vidfab.providers.byteplus_url, self.project)
        status = "processing"
        while status != "completed":
            await self._synced()
            [row] = await supabase.rows("video_agent_projects", id=f"eq.{self.project.id}")
            status = row["step_4_status"]
            await asyncio.sleep(0.5)
        await self._all_ended("video_clip_download")

    async def _synced(self) -> None:
        """One more sync, to its end; each runs under the same id."""
        runs = len(self._ends_of(f"va_sync_{self.project.id}"))
        job_id = await app_videos.enqueue_sync(self.app, self.project)
        await self.app.wait_until(lambda: len(self._ends_of(job_id)) > runs, TIME_LIMIT_S)

    async def _single_video(self) -> None:
        """A user's own video: stored, thumbnailed, counted; then its temporary files go."""
        app, user_id, video_id = self.app, self.project.user_id, str(uuid4())
        media = self.vidfab.providers.media_url
        url = f"{media}/clip/own-video.mp4?seconds=4&text=A+user's+own+video"
        await app_videos.enqueue_video(app, self.vidfab.supabase, user_id, video_id, url)
        await self._ended(f"thumbnail_{video_id}")
        await self._ended(await app_videos.enqueue_quota(app, user_id, video_id))
        await self._ended(await app_videos.enqueue_cleanup(app, user_id, video_id, [url]))

    def _ends_of(self, job_id: str) -> list[str]:
        events = self.app.events_of(job_id)
        return [one.name for one in events if one.name in {"completed", "failed"}]

    async def _ended(self, job_id: str) -> None:
        await self.app.wait_until(lambda: bool(self._ends_of(job_id)), TIME_LIMIT_S)

    async def _all_ended(self, name: str) -> None:
        """Until no job of this name is open."""
        await self.app.wait_until(
            lambda: all(job.ended_at for job in jobs_seen(self.app.events) if job.name == name),
            TIME_LIMIT_S,
        )
