"""What the app's API routes do: rows in Supabase first, then a job on the queue."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sandbox.json_lines import Refused
from sandbox.producer import Event, JobView, NodeApp, Package, start_consumer
from sandbox.supabase import SupabaseLite

__all__ = [
    "Character",
    "Event",
    "JobView",
    "NodeApp",
    "Package",
    "Project",
    "Refused",
    "Shot",
    "create_project",
    "create_user",
    "enqueue_storyboards",
    "start_consumer",
]


@dataclass(frozen=True, slots=True)
class Shot:
    """One shot of the script. `characters` are names as the script's analysis wrote them."""

    shot_number: int
    description: str
    character_action: str = ""
    characters: Sequence[str] = ()
    duration_seconds: int = 5
    time_range: str = "00:00-00:05"
    camera_angle: str = "wide"
    mood: str = "calm"

    def payload(self) -> dict[str, Any]:
        """The shot as it stands in the job."""
        return {
            "shot_number": self.shot_number,
            "time_range": self.time_range,
            "description": self.description,
            "camera_angle": self.camera_angle,
            "character_action": self.character_action,
            "characters": list(self.characters),
            "mood": self.mood,
            "duration_seconds": self.duration_seconds,
        }


@dataclass(frozen=True, slots=True)
class Character:
    """A character with the addresses of its reference images, the best one last."""

    name: str
    reference_images: Sequence[str] = ()
    id: str = field(default_factory=lambda: str(uuid4()))

    def payload(self) -> dict[str, Any]:
        """The character as it stands in the job."""
        images = list(self.reference_images)
        return {"id": self.id, "name": self.name, "reference_images": images}


@dataclass(frozen=True, slots=True)
class Project:
    """A project whose script has been analysed: the state before the storyboard step."""

    id: str
    user_id: str
    shots: Sequence[Shot]
    characters: Sequence[Character]
    style: str
    aspect_ratio: str


async def create_user(
    supabase: SupabaseLite, *, user_id: str | None = None, email: str | None = None
) -> str:
    """Insert a user on the free plan. Returns the id."""
    uuid = user_id or str(uuid4())
    await supabase.insert("users", [{"uuid": uuid, "email": email or f"{uuid}@example.com"}])
    return uuid


async def create_project(
    supabase: SupabaseLite,
    user_id: str,
    shots: Sequence[Shot],
    characters: Sequence[Character] = (),
    *,
    style: str = "realistic",
    aspect_ratio: str = "16:9",
    project_id: str | None = None,
) -> Project:
    """Insert a project with its shots, characters and reference images."""
    made = Project(project_id or str(uuid4()), user_id, shots, characters, style, aspect_ratio)
    row = {
        "id": made.id,
        "user_id": user_id,
        "current_step": 3,
        "step_1_status": "completed",
        "step_2_status": "completed",
        "duration": sum(shot.duration_seconds for shot in shots),
        "story_style": "auto",
        "original_script": "\n".join(shot.description for shot in shots),
        "image_style_id": style,
        "aspect_ratio": aspect_ratio,
    }
    await supabase.insert("video_agent_projects", [row])
    # Which characters a shot shows is kept in the script's analysis, not in the shot's row.
    columns = [{k: v for k, v in s.payload().items() if k != "characters"} for s in shots]
    await supabase.insert("project_shots", [{"project_id": made.id, **shot} for shot in columns])
    await _insert_characters(supabase, made)
    return made


async def enqueue_storyboards(
    app: NodeApp,
    supabase: SupabaseLite,
    project: Project,
    *,
    attempts: int = 3,
    backoff_ms: int = 5000,
) -> str:
    """Ask for a picture of every shot, as the app does each time. Returns the job's id."""
    await _insert_storyboards(supabase, project)
    await supabase.update(
        "video_agent_projects", {"step_3_status": "processing"}, id=f"eq.{project.id}"
    )
    job_id = f"storyboard_{project.id}_{time.time_ns() // 1_000_000}"
    data = {
        "jobId": job_id,
        "userId": project.user_id,
        "videoId": project.id,
        "projectId": project.id,
        "shots": [shot.payload() for shot in project.shots],
        "characters": [character.payload() for character in project.characters],
        "style": project.style,
        "aspectRatio": project.aspect_ratio,
        "createdAt": _now(),
    }
    options = {
        "jobId": job_id,
        "priority": 2,
        "attempts": attempts,
        "backoff": {"type": "exponential", "delay": backoff_ms},
        "removeOnComplete": 10,
        "removeOnFail": 20,
    }
    return await app.add("storyboard_generation", data, options)


async def _insert_characters(supabase: SupabaseLite, project: Project) -> None:
    characters = [
        {"id": one.id, "project_id": project.id, "character_name": one.name, "source": "upload"}
        for one in project.characters
    ]
    images = [
        {"character_id": one.id, "image_url": url, "image_order": order}
        for one in project.characters
        for order, url in enumerate(one.reference_images, start=1)
    ]
    if characters:
        await supabase.insert("project_characters", characters)
    if images:
        await supabase.insert("character_reference_images", images)


async def _insert_storyboards(supabase: SupabaseLite, project: Project) -> None:
    """One row per shot in its next version; the earlier versions are current no more."""
    of_project = f"eq.{project.id}"
    rows = await supabase.rows(
        "project_storyboards", project_id=of_project, select="shot_number,version"
    )
    latest: dict[int, int] = {}
    for row in rows:
        latest[row["shot_number"]] = max(row["version"], latest.get(row["shot_number"], 0))
    await supabase.update("project_storyboards", {"is_current": False}, project_id=of_project)
    fresh = [
        {
            "project_id": project.id,
            "shot_number": shot.shot_number,
            "version": latest.get(shot.shot_number, 0) + 1,
            "is_current": True,
            "status": "generating",
        }
        for shot in project.shots
    ]
    await supabase.insert("project_storyboards", fresh)


def _now() -> str:
    """As JavaScript's toISOString() writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
