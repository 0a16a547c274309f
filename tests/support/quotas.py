"""What a user stores, and whether anything else was touched."""

from collections.abc import Mapping
from typing import Any

from sandbox.vidfab import VidFab
from tests.support.recordings import USER

TABLES = (
    "users",
    "user_videos",
    "user_images",
    "user_storage_quotas",
    "video_agent_projects",
    "project_shots",
    "project_storyboards",
    "project_video_clips",
)
Tables = Mapping[str, list[dict[str, Any]]]


def video(number: int, status: str, size: int | None, **columns: Any) -> dict[str, Any]:
    row = {
        "user_id": USER,
        "wavespeed_request_id": f"w{number}",
        "prompt": "A cat",
        "settings": {},
        "status": status,
        "file_size": size,
        "created_at": "2026-11-01T00:00:00",
    }
    return {**row, **columns}


async def lay_user(vidfab: VidFab, **columns: Any) -> None:
    user = {"uuid": USER, "email": "user@example.com", **columns}
    await vidfab.supabase.insert("users", [user])


async def tables(vidfab: VidFab) -> Tables:
    """Every row of every table that jobs read or write, in a fixed order."""
    found = {name: await vidfab.supabase.rows(name) for name in TABLES}
    return {name: sorted(rows, key=str) for name, rows in found.items()}


def changed(before: Tables, after: Tables) -> set[str]:
    return {name for name in TABLES if before[name] != after[name]}
