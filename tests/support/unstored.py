"""Pictures and clips of any age that only their provider has."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.jobs.envelope import iso
from sandbox.app import Shot, create_project, create_user
from sandbox.vidfab import VidFab
from services.supabase.projects import Projects
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


async def project_without_owner(vidfab: VidFab, patch: pytest.MonkeyPatch) -> str:
    """A project that is gone whenever its owner is asked for; its rows are still there."""
    shots = [Shot(number, f"SHOT-{number}") for number in (1, 2)]
    project = await create_project(vidfab.supabase, await create_user(vidfab.supabase), shots)
    known = Projects.owners

    async def owners(self: Projects, ids: Collection[str]) -> dict[str, str]:
        return await known(self, [one for one in ids if one != project.id])

    patch.setattr(Projects, "owners", owners)
    return project.id
