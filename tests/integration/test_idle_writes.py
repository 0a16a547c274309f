"""A change that Supabase answers with 200 and `[]`, and does not make, is made again."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from sandbox.gateway import Gateway
from sandbox.supabase import SupabaseLite
from tests.support.recordings import PROJECT, USER, row_id
from tests.support.site import Site
from tests.support.stored_videos import VIDEO, lay_clip, lay_video
from tests.support.storyboards import generated

COMMON = {"userId": USER, "videoId": VIDEO, "projectId": PROJECT, "shotNumber": 1}
STORYBOARDS = "/rest/v1/project_storyboards"
AGAIN = {"priority": 3, "attempts": 2, "backoff": {"type": "fixed", "delay": 50}}


@pytest.fixture
async def gateway(site: Site) -> AsyncIterator[Gateway]:
    async with Gateway(site.vidfab.supabase) as gateway:
        yield gateway


def jobs(media: str) -> dict[str, tuple[str, dict[str, Any], dict[str, Any]]]:
    """By job name: the table whose row it writes, the payload, and what the row says at last."""
    clip, picture = f"{media}/clip/a.mp4?seconds=1", f"{media}/img/a.jpg"
    stored = {"storage_status": "completed"}
    return {
        "video_clip_download": ("project_video_clips", {"externalUrl": clip}, stored),
        "storyboard_download": (
            "project_storyboards",
            {"storyboardId": row_id(1), "externalUrl": picture},
            stored,
        ),
        "va_sync_video_status": ("video_agent_projects", {}, {"step_4_status": "completed"}),
        "download_video": ("user_videos", {"originalUrl": clip}, {"file_size": "any"}),
        "update_quota": ("user_storage_quotas", {"operation": "recalculate"}, {}),
    }


@pytest.mark.parametrize("name", sorted(jobs("")))
async def test_a_write_that_changed_nothing_is_made_by_the_next_attempt(
    site: Site, gateway: Gateway, name: str
) -> None:
    media = site.vidfab.providers.media_url
    await lay_clip(site.vidfab)
    await lay_video(site.vidfab)
    picture = generated(1, f"{media}/img/a.jpg", "pending")
    await site.vidfab.supabase.insert("project_storyboards", [picture])
    table, payload, says = jobs(media)[name]
    gateway.faults.idle = {table: 1}
    await site.worker(SUPABASE_URL=gateway.url)
    job = await site.ended(await site.app.add(name, {**COMMON, **payload}, AGAIN))
    assert (job.state, job.attempts_made) == ("completed", 2)
    assert gateway.faults.idle == {table: 0}
    [row] = await site.vidfab.supabase.rows(table)
    for column, value in says.items():
        assert row[column] if value == "any" else row[column] == value


async def test_a_write_that_never_takes_fails_the_job(site: Site, gateway: Gateway) -> None:
    await lay_clip(site.vidfab)
    gateway.faults.idle = {"project_video_clips": 1000}
    await site.worker(SUPABASE_URL=gateway.url)
    url = f"{site.vidfab.providers.media_url}/clip/a.mp4?seconds=1"
    data = {**COMMON, "externalUrl": url}
    job_id = await site.app.add("video_clip_download", data, {**AGAIN, "attempts": 1})
    await site.app.wait_for(job_id, "delayed")  # only its row waits to be settled
    gateway.faults.idle = {}
    await site.app.promote(job_id)
    job = await site.ended(job_id)
    assert job.state == "failed"
    assert job.failed_reason == "Supabase changed nothing on the request to update the clip"
    [row] = await site.vidfab.supabase.rows("project_video_clips")
    assert row["storage_status"] == "failed"


class Resetting(Gateway):
    """The app deletes a project's storyboards just before one of them is written."""

    def __init__(self, supabase: SupabaseLite) -> None:
        super().__init__(supabase)
        self._supabase = supabase

    async def _pass_on(self, request: Request) -> Response:
        if request.method == "PATCH" and request.url.path == STORYBOARDS:
            params = {"project_id": f"eq.{PROJECT}"}
            await self._supabase.request("DELETE", STORYBOARDS, params=params)
        return await super()._pass_on(request)


async def test_a_row_that_was_removed_is_no_write_that_did_not_take(site: Site) -> None:
    """Two of the app's routes delete rows under running jobs: that is final, and said so."""
    url = f"{site.vidfab.providers.media_url}/img/a.jpg"
    await lay_clip(site.vidfab)
    await site.vidfab.supabase.insert("project_storyboards", [generated(1, url, "pending")])
    async with Resetting(site.vidfab.supabase) as gateway:
        await site.worker(SUPABASE_URL=gateway.url)
        data = {**COMMON, "storyboardId": row_id(1), "externalUrl": url}
        job_id = await site.app.add("storyboard_download", data, {**AGAIN, "attempts": 3})
        job = await site.ended(job_id)
    assert (job.state, job.attempts_made) == ("failed", 1)
    assert job.failed_reason == f"The storyboard row {row_id(1)} was removed"
