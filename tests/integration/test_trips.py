"""Jobs wait for Supabase no longer than they must: it may be far away.

What needs no answer of another request is asked beside it, and no job asks more often than it must.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from sandbox.app import Shot, create_project, create_user, enqueue_storyboards
from sandbox.gateway import Gateway
from sandbox.providers.models import Operation, Timing
from sandbox.supabase import SupabaseLite
from tests.support import films
from tests.support.clips import clip, download_id, lay_clips, sync
from tests.support.compositions import clip as film_clip
from tests.support.compositions import lay_project as lay_film
from tests.support.compositions import options, payload, shotstack
from tests.support.meeting import MeetingPoint
from tests.support.recordings import PROJECT, USER, row_id
from tests.support.site import Ended, Site
from tests.support.stored_videos import VIDEO, lay_clip, lay_user, lay_video
from tests.support.storyboards import generated, lay_project
from tests.support.videos import store_video, thumbnail_job

PROJECTS = "/rest/v1/video_agent_projects"
STORYBOARDS = "/rest/v1/project_storyboards"
CLIPS = "/rest/v1/project_video_clips"
SHOTS = "/rest/v1/project_shots"
VIDEOS = "/rest/v1/user_videos"
IMAGES = "/rest/v1/user_images"
USERS = "/rest/v1/users"
QUOTAS = "/rest/v1/user_storage_quotas"
OBJECT = "/storage/v1/object"

COMMON = {"userId": USER, "videoId": VIDEO}
SHOT = {**COMMON, "projectId": PROJECT, "shotNumber": 1}
DRAWN, SYNCED = 3, 6

Lay = Callable[[Site], Awaitable[str]]
"""Adds a job to a database in which it finds what it needs; returns its id."""

OBJECTS = re.compile(rf"({OBJECT})/.*")
ABOUT_ONE = re.compile(r"=eq\.[0-9a-f-]{36}|/object/")


# -- one job each, added to a database in which it finds what it needs --------------------------


def picture(site: Site) -> str:
    return f"{site.vidfab.providers.media_url}/img/a.jpg"


def short_clip(site: Site) -> str:
    return f"{site.vidfab.providers.media_url}/clip/a.mp4?seconds=1"


async def add(site: Site, name: str, data: dict[str, Any]) -> str:
    return await site.app.add(name, data, {"jobId": name, "priority": 3})


async def add_before(site: Site, name: str, job_id: str) -> None:
    """A job that a job adds is there already, and waits: it asks for nothing meanwhile."""
    await site.app.add(name, {}, {"jobId": job_id, "delay": 3_600_000})


async def storyboard_generation(site: Site) -> str:
    supabase = site.vidfab.supabase
    shots = [Shot(number, f"SHOT-{number}") for number in range(1, DRAWN + 1)]
    project = await create_project(supabase, await create_user(supabase), shots)
    job_id = await enqueue_storyboards(site.app, supabase, project)
    for row in await supabase.rows("project_storyboards"):
        name = "storyboard_download"
        await add_before(site, name, f"{name}_{project.id}_{row['shot_number']}_{row['id']}")
    return job_id


async def storyboard_download(site: Site) -> str:
    await lay_project(site.vidfab, [generated(1, picture(site), "pending")])
    data = {**SHOT, "storyboardId": row_id(1), "externalUrl": picture(site)}
    return await add(site, "storyboard_download", data)


async def batch(site: Site) -> str:
    """All pictures are stored already: only the batch itself asks."""
    await lay_project(site.vidfab, [generated(1, picture(site), "completed")])
    data = {**SHOT, "shotNumber": 0, "externalUrl": "__BATCH__"}
    return await add(site, "storyboard_download", data)


async def video_clip_download(site: Site) -> str:
    url = short_clip(site)
    await lay_clip(site.vidfab, video_url_external=url, video_url=url)
    return await add(site, "video_clip_download", {**SHOT, "externalUrl": url})


async def va_sync_video_status(site: Site) -> str:
    numbers = range(1, SYNCED + 1)
    await lay_clips(site.vidfab, *(clip(number) for number in numbers))
    for number in numbers:
        await site.vidfab.providers.control.register("tasks", f"t{number}", Operation(after_s=0))
        await add_before(site, "video_clip_download", download_id(number, f"t{number}"))
    return await sync(site)


async def va_compose_video(site: Site) -> str:
    await site.vidfab.providers.control.timing(Timing(renders=0))
    await lay_film(site.vidfab, [4], [film_clip(1, short_clip(site))])
    return await site.app.add("va_compose_video", payload(), options())


async def download_video(site: Site) -> str:
    await lay_video(site.vidfab, status="generating")
    await add_before(site, "generate_thumbnail", f"thumbnail_{VIDEO}")
    return await add(site, "download_video", {**COMMON, "originalUrl": short_clip(site)})


async def generate_thumbnail(site: Site) -> str:
    file = site.folder / "film.mp4"
    await asyncio.to_thread(films.film, file)
    await lay_video(site.vidfab, status="processing")
    await store_video(site.vidfab, file)
    return await add(site, "generate_thumbnail", thumbnail_job())


async def update_quota(site: Site) -> str:
    await lay_user(site.vidfab)
    return await add(site, "update_quota", {**COMMON, "operation": "recalculate"})


class Counting(Gateway):
    """Counts the requests about one row, project or user by `METHOD /path`, objects by bucket.

    A worker's own look at the rows of all projects, which may come at any time, names none.
    """

    def __init__(self, supabase: SupabaseLite) -> None:
        super().__init__(supabase)
        self.asked = Counter[str]()

    async def _pass_on(self, request: Request) -> Response:
        if request.method != "GET" or ABOUT_ONE.search(str(request.url)):
            kind = OBJECTS.sub(r"\1", request.url.path)
            self.asked[f"{request.method} {kind}"] += 1
        return await super()._pass_on(request)


async def run(site: Site, gateway: Gateway, lay: Lay) -> Ended:
    """One job over the gateway, to its end."""
    job_id = await lay(site)
    async with gateway:
        worker = await site.worker(SUPABASE_URL=gateway.url, **shotstack(site.vidfab))
        ended = await site.ended(job_id)
        assert await worker.stop() == 0
    return ended


TOGETHER: dict[Lay, Sequence[str]] = {
    storyboard_generation: (f"GET {PROJECTS}", f"GET {STORYBOARDS}"),
    storyboard_download: (f"GET {PROJECTS}", f"GET {STORYBOARDS}"),
    batch: (f"GET {PROJECTS}", f"GET {STORYBOARDS}"),
    video_clip_download: (f"GET {PROJECTS}", f"GET {CLIPS}"),
    va_sync_video_status: (f"GET {PROJECTS}", f"GET {CLIPS}"),
    va_compose_video: (f"GET {PROJECTS}", f"GET {CLIPS}", f"GET {SHOTS}"),
    download_video: (f"PATCH {VIDEOS}", f"POST {OBJECT}"),
    generate_thumbnail: (f"GET {VIDEOS}", f"GET {OBJECT}"),
    update_quota: (f"GET {USERS}", f"GET {VIDEOS}", f"GET {IMAGES}"),
}


@pytest.mark.parametrize("lay", TOGETHER, ids=lambda lay: lay.__name__)
async def test_what_needs_no_answer_of_another_request_goes_beside_it(site: Site, lay: Lay) -> None:
    ended = await run(site, MeetingPoint(site.vidfab.supabase, *TOGETHER[lay]), lay)
    assert (ended.state, ended.attempts_made) == ("completed", 1)


async def test_a_clip_is_written_while_others_are(site: Site) -> None:
    """Also more of them than are polled at a time."""
    gateway = MeetingPoint(site.vidfab.supabase, *[f"PATCH {CLIPS}"] * SYNCED)
    ended = await run(site, gateway, va_sync_video_status)
    assert ended.returnvalue["data"] == {"synced": True, "updated": SYNCED}


# Reads that are repeated when they are half a second old, which they are on a busy machine.
AGED = 6
REQUESTS: dict[Lay, dict[str, int]] = {
    storyboard_generation: {
        f"GET {PROJECTS}": 1,
        f"GET {STORYBOARDS}": 2 + AGED,
        f"PATCH {STORYBOARDS}": DRAWN,
        f"PATCH {PROJECTS}": 1,
    },
    storyboard_download: {
        f"GET {PROJECTS}": 1,
        f"GET {STORYBOARDS}": 1,
        f"POST {OBJECT}": 1,
        f"PATCH {STORYBOARDS}": 1,
    },
    batch: {f"GET {PROJECTS}": 1, f"GET {STORYBOARDS}": 1},
    video_clip_download: {
        f"GET {PROJECTS}": 1,
        f"GET {CLIPS}": 1,
        f"POST {OBJECT}": 1,
        f"PATCH {CLIPS}": 1,
    },
    va_sync_video_status: {
        f"GET {PROJECTS}": 1,
        f"GET {CLIPS}": 1,
        f"PATCH {CLIPS}": SYNCED,
        f"PATCH {PROJECTS}": 1,
    },
    va_compose_video: {
        f"GET {PROJECTS}": 1,
        f"GET {CLIPS}": 1,
        f"GET {SHOTS}": 1,
        f"POST {OBJECT}": 1,
        f"PATCH {PROJECTS}": 2,
    },
    download_video: {
        f"GET {VIDEOS}": 1,
        f"POST {OBJECT}": 1,
        # And its progress, once a second.
        f"PATCH {VIDEOS}": 3 + 20,
    },
    generate_thumbnail: {
        f"GET {VIDEOS}": 1,
        f"GET {OBJECT}": 1,
        f"POST {OBJECT}": 1,
        f"PATCH {VIDEOS}": 1,
    },
    update_quota: {
        f"GET {USERS}": 1,
        f"GET {VIDEOS}": 1,
        f"GET {IMAGES}": 1,
        f"POST {QUOTAS}": 1,
    },
}


@pytest.mark.parametrize("lay", REQUESTS, ids=lambda lay: lay.__name__)
async def test_no_job_asks_more_often_than_it_must(site: Site, lay: Lay) -> None:
    gateway = Counting(site.vidfab.supabase)
    ended = await run(site, gateway, lay)
    assert (ended.state, ended.attempts_made) == ("completed", 1)
    assert gateway.asked - Counter(REQUESTS[lay]) == {}
    assert set(gateway.asked) == set(REQUESTS[lay])


async def test_objects_of_a_bucket_are_removed_by_one_request(site: Site) -> None:
    gateway = Counting(site.vidfab.supabase)

    async def cleanup_temp(site: Site) -> str:
        folder = f"{gateway.url}{OBJECT}/public/user-images/images/{USER}"
        urls = [f"{folder}/{number}.jpg" for number in range(3)]
        return await add(site, "cleanup_temp", {**COMMON, "tempUrls": urls})

    assert (await run(site, gateway, cleanup_temp)).state == "completed"
    assert gateway.asked == {f"DELETE {OBJECT}": 1}
