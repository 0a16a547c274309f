"""What is done in a place, and how long it took by Redis's clock."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench.backlog import run_backlog
from bench.contenders import Job
from bench.distance.places import Far
from bench.setup import Bench
from bench.site import Entry, Site, first, last
from sandbox.app import Project, Shot, create_project, create_user, enqueue_storyboards
from sandbox.app_videos import enqueue_compose, enqueue_sync
from sandbox.providers.client import RENDERS
from sandbox.providers.drawing.clips import Clip, make_clip
from sandbox.providers.models import Fault, Match, Operation

CLIPS = 6
PICTURES = "/ark/api/v3/images/*"
_RENDER = "render-at-once"


@dataclass(frozen=True)
class Times:
    """Milliseconds from a job's `active` event to its `completed`, and to its last follow-up's."""

    done_ms: float
    all_done_ms: float


@dataclass(frozen=True)
class Work:
    """Jobs for any worker, on a Supabase and vendors that answer at once."""

    bench: Bench
    clip_url: str

    @classmethod
    async def ready(cls, bench: Bench) -> "Work":
        """A clip lies at the media host, and Shotstack has any film as soon as it is ordered."""
        providers = bench.vidfab.providers
        await make_clip(Clip(seconds=1, width=640, height=360), _in(providers.media_folder))
        work = cls(bench, f"{providers.media_url}/distance/clip.mp4")
        order: dict[str, Any] = {"success": True, "message": "Created"}
        order["response"] = {"message": "Render Successfully Queued", "id": _RENDER}
        post = Match(path=RENDERS, method="POST")
        await providers.control.add(Fault(match=post, status=201, body=order))
        film = Operation(after_s=0, url=work.clip_url, seconds=1)
        await providers.control.register("renders", _RENDER, film)
        return work

    async def storyboards(self, far: Far, shots: int) -> Times:
        """Pictures, three at a time, each of which is then stored."""
        return await _timed(far.site, self.ask_storyboards(far, shots), jobs=1 + shots)

    async def sync(self, far: Far) -> Times:
        """Six clips have come, each of which is then stored."""
        return await _timed(far.site, self.ask_sync(far), jobs=1 + CLIPS)

    async def compose(self, far: Far) -> Times:
        """A film of six clips."""
        return await _timed(far.site, self.ask_compose(far), jobs=1)

    async def download(self, far: Far) -> float:
        """One picture to storage: ms from its `added` event."""
        return await self.alone(far, await self.picture())

    async def quota(self, far: Far) -> float:
        """The smallest job: ms from its `added` event."""
        return await self.alone(far, None)

    async def quotas(self, far: Far, jobs: int) -> float:
        """Many of these that wait already: ms from the first `active` event."""
        return (await run_backlog(far.site, jobs)).seconds * 1000

    async def alone(self, far: Far, job: Job | None) -> float:
        """A job for a worker at rest."""
        before = await far.site.mark()
        await far.site.add(job=job)
        events = await ended(far.site, before, jobs=1)
        return last(events, "completed") - first(events, "added")

    async def picture(self) -> Job:
        """A storyboard's picture at the provider, to be stored."""
        project = await self.project(1)
        url = f"{self.bench.vidfab.providers.media_url}/img/picture.jpg"
        row = {"project_id": project.id, "shot_number": 1, "is_current": True, "version": 1}
        made = {"status": "success", "image_url": url, "image_url_external": url}
        [stored] = await self.bench.vidfab.supabase.insert(
            "project_storyboards", [{**row, **made, "storage_status": "pending"}]
        )
        ids = {"userId": project.user_id, "videoId": project.id, "projectId": project.id}
        of_row = {"shotNumber": 1, "storyboardId": stored["id"], "externalUrl": url}
        return Job("storyboard_download", {**ids, **of_row})

    async def ask_storyboards(self, far: Far, shots: int) -> str:
        """Returns the job's id, as the two below."""
        project = await self.project(shots)
        return await enqueue_storyboards(far.site.app, self.bench.vidfab.supabase, project)

    async def ask_sync(self, far: Far) -> str:
        project = await self.project(CLIPS)
        tasks = [uuid4().hex for _ in project.shots]
        for task in tasks:
            await self.bench.vidfab.providers.control.register(
                "tasks", task, Operation(after_s=0, url=self.clip_url, seconds=1)
            )
        await self.clips(project, [{"status": "generating", "seedance_task_id": t} for t in tasks])
        return await enqueue_sync(far.site.app, project)

    async def ask_compose(self, far: Far) -> str:
        project = await self.project(CLIPS)
        # Stored, or the reconciler of each worker would have them downloaded.
        stored = {"status": "success", "storage_status": "completed", "cdn_url": self.clip_url}
        await self.clips(project, [{**stored, "seedance_task_id": uuid4().hex}] * CLIPS)
        supabase = self.bench.vidfab.supabase
        await supabase.update(
            "video_agent_projects", {"step_4_status": "completed"}, id=f"eq.{project.id}"
        )
        return await enqueue_compose(far.site.app, project)

    async def project(self, shots: int) -> Project:
        """One whose script has so many shots."""
        supabase = self.bench.vidfab.supabase
        texts = [Shot(number, f"Shot {number}") for number in range(1, shots + 1)]
        return await create_project(supabase, await create_user(supabase), texts)

    async def clips(self, project: Project, columns: Sequence[dict[str, Any]]) -> None:
        """Insert a clip for each shot, with these columns."""
        rows = [
            {"project_id": project.id, "shot_number": shot.shot_number, **own}
            for shot, own in zip(project.shots, columns, strict=True)
        ]
        await self.bench.vidfab.supabase.insert("project_video_clips", rows)


def _in(media: Path) -> Path:
    folder = media / "distance"
    folder.mkdir(exist_ok=True)
    return folder / "clip.mp4"


async def ended(site: Site, before: str, jobs: int) -> list[Entry]:
    """The events of so many jobs, all completed. Raises SandboxError."""
    await site.drain()
    return await site.events(before, completed=jobs)


def span_of(events: Sequence[Entry], job_id: str) -> tuple[int, int]:
    """The job's `active` event and its `completed`, in ms."""
    own = [one for one in events if one.job_id == job_id]
    return first(own, "active"), first(own, "completed")


async def _timed(site: Site, asked: Awaitable[str], jobs: int) -> Times:
    before = await site.mark()
    job_id = await asked
    events = await ended(site, before, jobs)
    began, done = span_of(events, job_id)
    return Times(done - began, last(events, "completed") - began)
