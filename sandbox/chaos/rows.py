"""Rows that nobody works on any more, and that say otherwise."""

from collections.abc import Sequence
from typing import Any

from sandbox.chaos.ledger import Violation
from sandbox.supabase import SupabaseLite

_OPEN_STORAGE = "(storage_status.is.null,storage_status.eq.pending)"
_SUCCESS_UNSTORED = {"status": "eq.success", "or": _OPEN_STORAGE}

_UNFINISHED: Sequence[tuple[str, dict[str, str], str]] = (
    ("project_storyboards", {"status": "eq.generating"}, "is still generating"),
    ("project_storyboards", _SUCCESS_UNSTORED, "has a picture that was not stored"),
    ("project_video_clips", {"status": "eq.generating"}, "is still generating"),
    ("project_video_clips", _SUCCESS_UNSTORED, "has a clip that was not stored"),
    ("video_agent_projects", {"step_3_status": "eq.processing"}, "has step 3 still processing"),
    ("video_agent_projects", {"step_4_status": "eq.processing"}, "has step 4 still processing"),
    ("video_agent_projects", {"step_6_status": "eq.processing"}, "has step 6 still processing"),
    ("user_videos", {"status": "in.(generating,downloading,processing)"}, "is not at its end"),
)
_PAGE_ROWS = 500


async def all_rows(supabase: SupabaseLite, table: str, **filters: str) -> list[dict[str, Any]]:
    """Page by page: a server may cut long answers short without a word."""
    found: list[dict[str, Any]] = []
    while True:
        place = {"limit": str(_PAGE_ROWS), "offset": str(len(found)), "order": "created_at,id"}
        page = await supabase.rows(table, **place, **filters)
        if not page:
            return found
        found += page


async def unfinished(supabase: SupabaseLite) -> list[Violation]:
    """Rows that would keep a person waiting for ever."""
    found: list[Violation] = []
    for table, filters, text in _UNFINISHED:
        for row in await all_rows(supabase, table, **filters):
            about = str(row.get("project_id") or row["id"])
            shot = f" shot {row['shot_number']}" if "shot_number" in row else ""
            found.append(Violation("rows are final", f"{table} {about}{shot} {text}", (about,)))
    return found


async def wrong_quotas(supabase: SupabaseLite) -> list[Violation]:
    """Quota rows that differ from the users' videos."""
    videos = await all_rows(supabase, "user_videos", status="neq.deleted")
    quotas = await supabase.rows("user_storage_quotas", limit=str(_PAGE_ROWS))
    return [problem for quota in quotas if (problem := _wrong(quota, videos)) is not None]


def _wrong(quota: dict[str, Any], videos: list[dict[str, Any]]) -> Violation | None:
    user = quota["user_id"]
    own = [video for video in videos if video["user_id"] == user]
    right = (
        sum(video["status"] == "completed" for video in own),
        sum(video["file_size"] or 0 for video in own),
    )
    said = (quota["total_videos"], quota["total_size_bytes"])
    if said == right:
        return None
    return Violation("quotas are right", f"the quota of {user} says {said}, is {right}", (user,))
