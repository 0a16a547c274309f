"""A project of the recordings in the database."""

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.vidfab import VidFab
from tests.support.recordings import PROJECT, USER, row_id


async def lay_project(vidfab: VidFab, rows: Sequence[Mapping[str, Any]] = ()) -> None:
    """The user, the project in step 3, and its storyboard rows (the app's route inserts those)."""
    await vidfab.supabase.insert("users", [{"uuid": USER, "email": "user@example.com"}])
    project = {
        "id": PROJECT,
        "user_id": USER,
        "duration": 30,
        "story_style": "auto",
        "original_script": "A cat and a man and a red door.",
        "status": "processing",
        "step_3_status": "processing",
    }
    await vidfab.supabase.insert("video_agent_projects", [project])
    if rows:
        await vidfab.supabase.insert("project_storyboards", list(rows))


def generating(*shot_numbers: int) -> list[dict[str, Any]]:
    """Rows as the route inserts them before it enqueues."""
    return [
        {
            "id": row_id(number),
            "project_id": PROJECT,
            "shot_number": number,
            "status": "generating",
            "is_current": True,
            "version": 1,
        }
        for number in shot_numbers
    ]


def generated(shot_number: int, url: str, storage_status: str | None) -> dict[str, Any]:
    """A row whose picture is at the provider."""
    [row] = generating(shot_number)
    state = {"status": "success", "storage_status": storage_status}
    return {**row, **state, "image_url": url, "image_url_external": url}


async def storyboards(vidfab: VidFab) -> dict[int, dict[str, Any]]:
    """The project's rows by shot number."""
    rows = await vidfab.supabase.rows("project_storyboards", project_id=f"eq.{PROJECT}")
    return {row["shot_number"]: row for row in rows}


async def step_3_status(vidfab: VidFab) -> str:
    [project] = await vidfab.supabase.rows("video_agent_projects", id=f"eq.{PROJECT}")
    return project["step_3_status"]
