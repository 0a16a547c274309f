"""A Supabase that is read-only, over its quota, or has not read its new schema: jobs wait.

`OUTAGE_S=600` makes each of them last ten minutes; of itself they last as long as several pauses.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.gateway import Gateway
from sandbox.processes import PATIENCE_S
from tests.integration.test_deadlines import project_of, rows_of, step_3_of
from tests.integration.test_storyboards_refused import page_of
from tests.support.clips import clip, clips, download_id, lay_clips
from tests.support.recordings import PROJECT, USER
from tests.support.server import Server, response, running
from tests.support.site import Site

OUTAGE_S = float(os.environ.get("OUTAGE_S", "20"))
SLACK = "/slack"
PROJECTS, CLIPS = 8, 12

READ_ONLY = {
    "code": "25006",
    "message": "cannot execute UPDATE in a read-only transaction",
    "details": None,
    "hint": None,
}
STORAGE_READ_ONLY = {
    "statusCode": "503",
    "error": "DatabaseReadOnly",
    "message": "Database is in read-only mode, try again later",
}
RESTRICTED = {
    "message": "Service for this project is restricted due to the following violations: "
    "exceed_db_size_quota."
}
STALE = {
    "code": "PGRST204",
    "message": "Could not find the 'storage_status' column of 'x' in the schema cache",
    "details": None,
    "hint": None,
}


def read_only(request: Request) -> Response | None:
    """PostgREST:src/library/PostgREST/Error.hs gives 405; supabase/storage:codes.ts 503."""
    if request.method in {"GET", "HEAD"}:
        return None
    if request.url.path.startswith("/rest/"):
        return JSONResponse(READ_ONLY, 405)
    return JSONResponse(STORAGE_READ_ONLY, 400)


def over_quota(request: Request) -> Response | None:
    """Its gateway refuses everything: github.com/orgs/supabase/discussions/40081."""
    return JSONResponse(RESTRICTED, 402)


def stale(request: Request) -> Response | None:
    """For seconds after a migration."""
    is_write = request.method == "PATCH" and request.url.path.startswith("/rest/")
    return JSONResponse(STALE, 400) if is_write else None


class RestrictedGateway(Gateway):
    refusal: Callable[[Request], Response | None] | None = None

    async def _pass_on(self, request: Request) -> Response:
        refused = self.refusal(request) if self.refusal else None
        return refused or await super()._pass_on(request)


@dataclass
class Asked:
    """20 jobs and what they are about."""

    projects: list[Any]
    jobs: list[str]


async def ask(site: Site) -> Asked:
    """Storyboards of eight projects and the downloads of twelve clips, added by the app."""
    url = f"{site.vidfab.providers.media_url}/clip/a.mp4?seconds=1"
    columns = {"status": "success", "storage_status": "pending", "video_url_external": url}
    await lay_clips(site.vidfab, *(clip(n, **columns) for n in range(1, CLIPS + 1)))
    projects = [await project_of(site) for _ in range(PROJECTS)]
    jobs = [await page_of(site, project).generate() for project in projects]
    return Asked(
        projects, [*jobs, *[await add_download(site, n, url) for n in range(1, CLIPS + 1)]]
    )


async def add_download(site: Site, number: int, url: str) -> str:
    job_id = download_id(number, f"t{number}")
    data = {
        "jobId": job_id, "userId": USER, "videoId": PROJECT, "projectId": PROJECT,
        "shotNumber": number, "externalUrl": url,
    }  # fmt: skip
    await site.app.add("video_clip_download", data, {"jobId": job_id, "priority": 3})
    return job_id


@pytest.mark.parametrize(
    ("refusal", "is_the_accounts"), [(read_only, True), (over_quota, True), (stale, False)]
)
async def test_none_of_20_jobs_fails(
    site: Site, refusal: Callable[[Request], Response | None], is_the_accounts: bool
) -> None:
    async with RestrictedGateway(site.vidfab.supabase) as supabase, running(Server()) as hooks:
        asked = await ask(site)
        supabase.refusal = refusal
        await site.worker(
            SUPABASE_URL=supabase.url,
            QUEUE_CONCURRENCY="5",
            SLACK_WEBHOOK_URL=hooks.on(SLACK, response(b"ok")),
        )
        await asyncio.sleep(OUTAGE_S if is_the_accounts else min(OUTAGE_S, 30))
        supabase.refusal = None
        for job_id in asked.jobs:
            end = await site.end_of(job_id, 6 * PATIENCE_S)
            assert end.name == "completed", end.args
        texts = [one.json["text"] for one in hooks.to(SLACK)]
    for project in asked.projects:
        assert [row["status"] for row in await rows_of(site, project)] == ["success", "success"]
        assert await step_3_of(site, project) == "completed"
    stored = (await clips(site.vidfab)).values()
    assert {row["storage_status"] for row in stored} == {"completed"}
    assert (await site.vidfab.providers.control.paid()).images == 2 * PROJECTS
    about_it = [text for text in texts if "refuses this account" in text]
    assert all("read-only" in text or "restricted" in text for text in about_it)
    assert all("usage" in text for text in about_it), "what to do is said"
    assert bool(about_it) is is_the_accounts
