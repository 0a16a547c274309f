"""What the app's users do meanwhile: all nine jobs, for many projects and videos."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sandbox import app_videos
from sandbox.app import Project, Shot, create_project, create_user, enqueue_storyboards
from sandbox.chaos.arena import NEUTRAL, Arena, ChaosApp
from sandbox.providers.models import Operation
from sandbox.supabase import SupabaseLite

Play = Callable[[random.Random], Awaitable[None]]

# More than this is a backlog that the drain would have to work off.
_ENOUGH_OPEN = 50
_PER_ROUND = (1, 2, 2, 3)
# A user makes so many things before the next one comes.
_THINGS_OF_A_USER = 8
_SCENES = ("A red door", "雨中的猫", "The kitchen at night", "Bob opens a suitcase")
_STORED = {"removeOnComplete": 50, "removeOnFail": 20}


@dataclass(frozen=True, slots=True)
class Cleanup:
    """A file that a job was asked to remove."""

    job_id: str
    path: str


class Traffic:
    """Adds jobs; what it made is kept for the audit.

    `marks` maps (project, shot number, version) to the text in the picture's prompt.
    """

    def __init__(self, arena: Arena) -> None:
        self.marks: dict[tuple[str, int, int], str] = {}
        self.cleanups: list[Cleanup] = []
        self.projects: dict[str, Project] = {}
        self._arena = arena
        self._versions: dict[str, list[str]] = {}
        self._clip_projects: list[str] = []
        self._users: list[str] = []
        self._things = 0
        self._plays: Sequence[tuple[Play, int]] = (
            (self._storyboards, 5),
            (self._storyboards_again, 2),
            (self._clips, 3),
            (self._compose, 3),
            (self._batch, 1),
            (self._video, 3),
            (self._quota, 1),
            (self._cleanup, 1),
        )

    async def round(self, rng: random.Random) -> None:
        """A few jobs, unless there are enough."""
        await self._neutral(rng)
        if len(self._arena.look().open_runs) > _ENOUGH_OPEN:
            return
        plays, weights = zip(*self._plays, strict=True)
        for play in rng.choices(plays, weights, k=rng.choice(_PER_ROUND)):
            await play(rng)
        await self.poll(limit=2)

    async def poll(self, limit: int) -> list[str]:
        """Ask how the clips are, as the app's page does while it waits."""
        processing = {"step_4_status": "eq.processing", "limit": str(limit)}
        rows = await self._supabase.rows("video_agent_projects", **processing)
        return [await app_videos.enqueue_sync(self._app, self.projects[row["id"]]) for row in rows]

    async def recount(self) -> list[str]:
        """Ask for every user's quota to be counted anew."""
        return [await app_videos.enqueue_quota(self._app, user, user) for user in self._users]

    async def _storyboards(self, rng: random.Random) -> None:
        project = await self._project(rng, rng.randint(1, 3))
        await self._ask_for_pictures(rng, project)

    async def _storyboards_again(self, rng: random.Random) -> None:
        """The next version of all pictures of a project whose earlier jobs are at their end."""
        done = [
            project_id
            for project_id, jobs in self._versions.items()
            if all(map(self._arena.is_idle, jobs))
        ]
        choice = rng.random()
        if done:
            await self._ask_for_pictures(rng, self.projects[done[int(choice * len(done))]])

    async def _ask_for_pictures(self, rng: random.Random, project: Project) -> None:
        jobs = self._versions.setdefault(project.id, [])
        shots: list[Shot] = []
        for shot in project.shots:
            mark = f"mark-{rng.getrandbits(48):012x}"
            self.marks[project.id, shot.shot_number, len(jobs) + 1] = mark
            shots.append(replace(shot, description=f"{mark} {shot.description}"))
        asked = replace(project, shots=shots)
        jobs.append(await enqueue_storyboards(self._app, self._supabase, asked))

    async def _clips(self, rng: random.Random) -> None:
        """A project whose clips are being made; some will have failed, some take their time."""
        project = await self._project(rng, rng.randint(1, 3))
        rows: list[dict[str, Any]] = []
        for shot in project.shots:
            task = f"task-{project.id}-{shot.shot_number}"
            await self._order_clip(rng, task)
            shown = {"project_id": project.id, "shot_number": shot.shot_number}
            rows.append({**shown, "status": "generating", "seedance_task_id": task})
        await self._supabase.insert("project_video_clips", rows)
        await self._supabase.update(
            "video_agent_projects", {"step_4_status": "processing"}, id=f"eq.{project.id}"
        )
        self._clip_projects.append(project.id)
        await app_videos.enqueue_sync(self._app, project)

    async def _order_clip(self, rng: random.Random, task: str) -> None:
        operation = Operation(
            final=rng.choices(("succeeded", "failed"), (9, 1))[0],
            after_s=rng.uniform(0, 2),
            seconds=1,
            width=160,
            height=90,
            number=rng.randint(1, 8),
            text=task[-8:],
        )
        await self._arena.vidfab.providers.control.register("tasks", task, operation)

    async def _compose(self, rng: random.Random) -> None:
        """A final video where there is none yet, or where it failed."""
        ready = {
            "step_4_status": "eq.completed",
            "or": "(step_6_status.is.null,step_6_status.eq.failed)",
            "order": "created_at",
        }
        rows = await self._supabase.rows("video_agent_projects", **ready)
        choice = rng.random()
        # The app removes the job before it adds a new one: not while that waits.
        idle = [row["id"] for row in rows if self._arena.is_idle(f"va_compose_{row['id']}")]
        if idle:
            project = self.projects[idle[int(choice * len(idle))]]
            await app_videos.enqueue_compose(self._app, project)

    async def _batch(self, rng: random.Random) -> None:
        """Ask for all pictures of a project to be stored, as the app does for older projects."""
        choice, number = rng.random(), rng.getrandbits(32)
        if not self._versions:
            return
        project = self.projects[list(self._versions)[int(choice * len(self._versions))]]
        job_id = f"storyboard_download_batch_{project.id}_{number}"
        data = {
            **_common(job_id, project.user_id, project.id),
            "projectId": project.id,
            "shotNumber": 0,
            "externalUrl": "__BATCH__",
        }
        options = {"jobId": job_id, "priority": 2, "attempts": 3, **_STORED}
        await self._app.add("storyboard_download", data, options)

    async def _video(self, rng: random.Random) -> None:
        user, video = await self._user(rng), _uuid(rng)
        media = self._arena.vidfab.providers.media_url
        url = f"{media}/clip/{video}.mp4?seconds=1&size=160x90&text={video[:4]}"
        await app_videos.enqueue_video(self._app, self._supabase, user, video, url)

    async def _quota(self, rng: random.Random) -> None:
        user, operation = await self._user(rng), rng.choice(("add", "remove", "recalculate"))
        if operation == "recalculate":
            await app_videos.enqueue_quota(self._app, user, user)
            return
        job_id = f"quota_{user}_{operation}"
        data = {**_common(job_id, user, user), "operation": operation}
        options = {"jobId": job_id, "priority": 4, "attempts": 3, **_STORED}
        await self._app.add("update_quota", data, options)

    async def _cleanup(self, rng: random.Random) -> None:
        """A temporary file of the user's, to be removed in a while."""
        user, number = await self._user(rng), _uuid(rng)
        wait = timedelta(seconds=rng.uniform(0, 3))
        path = f"user-videos/videos/{user}/temporary-{number}.mp4"
        headers = {"content-type": "video/mp4"}
        place = f"/storage/v1/object/{path}"
        await self._supabase.request("POST", place, content=b"to be removed", headers=headers)
        job_id = f"cleanup_{number}"
        data = {
            **_common(job_id, user, number),
            "tempUrls": [f"{self._arena.supabase_url}/storage/v1/object/public/{path}"],
            "cleanupAfter": (datetime.now(UTC) + wait).isoformat(),
        }
        options = {"jobId": job_id, "priority": 4, "attempts": 3, **_STORED}
        self.cleanups.append(Cleanup(await self._app.add("cleanup_temp", data, options), path))

    async def _neutral(self, rng: random.Random) -> None:
        job_id = f"neutral-{self._arena.diary.round}"
        options = {"jobId": job_id, "attempts": 3, **_STORED}
        await self._app.add("sleep", {"ms": rng.randint(0, 800)}, options, queue=NEUTRAL)

    async def _project(self, rng: random.Random, shots: int) -> Project:
        user, project_id = await self._user(rng), _uuid(rng)
        numbered = [
            Shot(number, rng.choice(_SCENES), duration_seconds=1) for number in range(1, shots + 1)
        ]
        project = await create_project(self._supabase, user, numbered, project_id=project_id)
        self.projects[project.id] = project
        return project

    async def _user(self, rng: random.Random) -> str:
        self._things += 1
        fresh = _uuid(rng)
        if self._things % _THINGS_OF_A_USER == 1:
            self._users.append(await create_user(self._supabase, user_id=fresh))
        return self._users[-1]

    @property
    def _app(self) -> ChaosApp:
        return self._arena.app

    @property
    def _supabase(self) -> SupabaseLite:
        """Lite itself: the app meets no troubles."""
        return self._arena.vidfab.supabase


def _common(job_id: str, user_id: str, video_id: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"jobId": job_id, "userId": user_id, "videoId": video_id, "createdAt": now}


def _uuid(rng: random.Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))
