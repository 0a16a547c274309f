"""What the app's routes do to shots and clips while jobs run.

Shots are deleted and renumbered, rows are deleted by resets, and clips are generated again.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal

from sandbox.supabase import SupabaseLite

STORYBOARDS = "project_storyboards"
CLIPS = "project_video_clips"
SHOTS = "project_shots"
PROJECTS = "video_agent_projects"

Way = Literal["number by number", "table by table"]
"""Whether each number is lowered in all tables before the next one, or each table by itself."""


async def deletion(
    supabase: SupabaseLite,
    project_id: str,
    shot_number: int,
    way: Way = "number by number",
    tables: Sequence[str] = (STORYBOARDS, CLIPS, SHOTS),
) -> AsyncIterator[str]:
    """Delete a shot step by step, in this order of tables; gives the name of each step's table.

    One step is one request. Jobs may run between any two, and see the rows half renumbered.
    """
    project = f"eq.{project_id}"
    last = max([row["shot_number"] for row in await _numbers(supabase, project_id)], default=0)
    for table in tables:
        chosen = {"project_id": project, "shot_number": f"eq.{shot_number}"}
        await supabase.request("DELETE", f"/rest/v1/{table}", params=chosen)
        yield table
    later = range(shot_number + 1, last + 1)
    if way == "number by number":
        steps = [(table, number) for number in later for table in tables]
    else:
        steps = [(table, number) for table in tables for number in later]
    for table, number in steps:
        lowered = {"shot_number": number - 1}
        await supabase.update(table, lowered, project_id=project, shot_number=f"eq.{number}")
        yield table


async def delete_shot(supabase: SupabaseLite, project_id: str, shot_number: int) -> None:
    """Delete a shot and renumber the later ones."""
    async for _ in deletion(supabase, project_id, shot_number):
        pass


async def reset_storyboards(supabase: SupabaseLite, project_id: str) -> None:
    """Begin the storyboard step anew: its rows go, whatever works on them."""
    await _reset(supabase, project_id, STORYBOARDS, "step_3_status")


async def reset_clips(supabase: SupabaseLite, project_id: str) -> None:
    """Begin the clips anew: their rows go, whatever works on them."""
    await _reset(supabase, project_id, CLIPS, "step_4_status")


async def regenerate_clip(
    supabase: SupabaseLite, project_id: str, shot_number: int, task_id: str
) -> None:
    """Order the clip of a shot again, as the Seedance task `task_id`.

    The row stays and so does all that it says about the clip before, its copy in storage too.
    """
    ordered = {
        "status": "generating",
        "seedance_task_id": task_id,
        "video_request_id": None,
        "error_message": None,
    }
    await _update_clip(supabase, project_id, shot_number, ordered)
    processing = {"step_4_status": "processing"}
    await supabase.update(PROJECTS, processing, id=f"eq.{project_id}")


async def show_clip(
    supabase: SupabaseLite, project_id: str, shot_number: int, video_url: str
) -> None:
    """Write what the status route learned from the vendor while a browser was open."""
    generated = {
        "status": "success",
        "video_url": video_url,
        "video_url_external": video_url,
        "storage_status": "pending",
    }
    await _update_clip(supabase, project_id, shot_number, generated)


async def _update_clip(
    supabase: SupabaseLite, project_id: str, shot_number: int, columns: Mapping[str, str | None]
) -> None:
    chosen = {"project_id": f"eq.{project_id}", "shot_number": f"eq.{shot_number}"}
    await supabase.update(CLIPS, columns, **chosen)


async def _reset(supabase: SupabaseLite, project_id: str, table: str, step: str) -> None:
    chosen = {"project_id": f"eq.{project_id}"}
    await supabase.request("DELETE", f"/rest/v1/{table}", params=chosen)
    await supabase.update(PROJECTS, {step: None}, id=f"eq.{project_id}")


async def _numbers(supabase: SupabaseLite, project_id: str) -> list[dict[str, int]]:
    chosen = {"project_id": f"eq.{project_id}", "select": "shot_number"}
    return [
        row for table in (STORYBOARDS, CLIPS, SHOTS) for row in await supabase.rows(table, **chosen)
    ]
