"""Pictures and clips of any age that only their provider has."""

from datetime import UTC, datetime, timedelta
from typing import Any

from core.jobs.envelope import iso
from sandbox.vidfab import VidFab
from tests.support.clips import clip
from tests.support.recordings import PROJECT, row_id
from tests.support.storyboards import generated


def aged(row: dict[str, Any], age: timedelta) -> dict[str, Any]:
    """The row as if it had been inserted so long ago and never touched since."""
    at = iso(datetime.now(UTC) - age)
    return {**row, "created_at": at, "updated_at": at}


def picture(
    vidfab: VidFab, shot_number: int, age: timedelta, status: str | None = "pending"
) -> dict[str, Any]:
    url = f"{vidfab.providers.media_url}/img/{shot_number}.jpg"
    return aged(generated(shot_number, url, status), age)


def generated_clip(
    vidfab: VidFab, shot_number: int, age: timedelta, status: str | None = "pending"
) -> dict[str, Any]:
    url = f"{vidfab.providers.media_url}/clip/{shot_number}.mp4"
    state = {"status": "success", "storage_status": status, "video_url_external": url}
    return aged(clip(shot_number, **state), age)


def picture_job(shot_number: int) -> str:
    return f"storyboard_download_{PROJECT}_{shot_number}_{row_id(shot_number)}"
