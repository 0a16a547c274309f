"""A clip is ordered again on the same row: nobody sees the one before under the new one's name."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.app_shots import CLIPS, PROJECTS, regenerate_clip, show_clip
from sandbox.app_videos import enqueue_compose, enqueue_sync
from sandbox.gateway import Gateway
from sandbox.providers.models import Operation
from tests.support.compositions import RENDERS, shotstack
from tests.support.shots import ThreeShots, checksum, clip_url, shown, three_shots
from tests.support.site import Site

NEWER = "/three-shots-4.mp4"


async def stored(site: Site) -> ThreeShots:
    """Three clips in storage."""
    shots = await three_shots(site)
    await shots.lay_generated_clips()
    for job_id in await shots.add_clip_downloads():
        assert (await site.end_of(job_id)).name == "completed"
    await shots.check_stored(CLIPS, 3)
    return shots


async def regenerate(shots: ThreeShots) -> str:
    """Order the first clip again; the task, which is ready, makes the fourth file."""
    task = f"{shots.project.id}-again"
    ready = Operation(after_s=0, url=clip_url(shots.site, 4))
    await shots.site.vidfab.providers.control.register("tasks", task, ready)
    await regenerate_clip(shots.supabase, shots.project.id, 1, task)
    return task


async def add_download(shots: ThreeShots, task: str, **options: Any) -> str:
    """As the app does once its status route has shown the new clip."""
    await show_clip(shots.supabase, shots.project.id, 1, clip_url(shots.site, 4))
    job_id = f"va_clip_download_{shots.project.id}_1_{task}"
    data = {
        "jobId": job_id,
        "userId": shots.project.user_id,
        "videoId": shots.project.id,
        "projectId": shots.project.id,
        "shotNumber": 1,
        "externalUrl": clip_url(shots.site, 4),
    }
    given = {"jobId": job_id, "priority": 3, "attempts": 6, **options}
    return await shots.site.app.add("video_clip_download", data, given)


async def first(shots: ThreeShots) -> dict[str, Any]:
    return (await shots.rows(CLIPS))[0]


async def newest(site: Site) -> str:
    return await checksum(site.vidfab.providers.media_folder / NEWER.lstrip("/"))


async def test_a_sync_forgets_the_copy_and_the_new_one_has_an_address_of_its_own(
    site: Site,
) -> None:
    await site.worker()
    shots = await stored(site)
    before = await first(shots)
    task = await regenerate(shots)
    await site.vidfab.providers.control.delay(NEWER, 1.5)
    await site.end_of(await enqueue_sync(site.app, shots.project))
    await site.wait_for_requests(NEWER, 1)
    assert (await first(shots))["cdn_url"] is None
    await site.app.wait_for(f"va_clip_download_{shots.project.id}_1_{task}", "completed")
    after = await first(shots)
    assert after["cdn_url"] != before["cdn_url"]
    assert await shown(after) == await newest(site)
    assert await shown(before) == shots.made[before["id"]], "a composition may be reading it"


async def test_the_apps_own_route_leaves_the_copy_which_the_download_hides(site: Site) -> None:
    await site.worker()
    shots = await stored(site)
    task = await regenerate(shots)
    await site.vidfab.providers.control.fail(NEWER, status=503, times=1)
    late = {"backoff": {"type": "fixed", "delay": 600_000}}
    job_id = await add_download(shots, task, **late)
    await site.app.wait_for(job_id, "delayed")
    row = await first(shots)
    assert (row["cdn_url"], row["storage_status"]) == (None, "pending")
    await site.app.promote(job_id)
    assert (await site.end_of(job_id)).name == "completed"
    assert await shown(await first(shots)) == await newest(site)


async def test_a_row_that_claims_to_be_stored_with_an_older_clip_is_stored(site: Site) -> None:
    await site.worker()
    shots = await stored(site)
    task = await regenerate(shots)
    await site.app.pause()
    job_id = await add_download(shots, task)
    claim = {"storage_status": "completed"}
    await shots.supabase.update(CLIPS, claim, id=f"eq.{(await first(shots))['id']}")
    await site.app.resume()
    assert (await site.ended(job_id)).returnvalue["data"]["downloaded"] is True
    assert await shown(await first(shots)) == await newest(site)


async def test_a_clip_whose_address_is_signed_anew_between_attempts_is_stored(site: Site) -> None:
    """The job's id does not name the clip: the row does, since the first attempt."""
    await site.worker()
    shots = await three_shots(site)
    await shots.lay_generated_clips()
    await site.vidfab.providers.control.fail("/three-shots-1.mp4", status=503, times=1)
    late = {"backoff": {"type": "fixed", "delay": 600_000}}
    job_id = await shots.add_clip_download(1, jobId="by-its-url", **late)
    await site.app.wait_for("by-its-url", "delayed")
    signed = f"{clip_url(site, 1)}?signed=again"
    await show_clip(shots.supabase, shots.project.id, 1, signed)
    await site.app.promote("by-its-url")
    assert (await site.end_of("by-its-url")).name == "completed"
    assert job_id == "by-its-url"
    row = await first(shots)
    assert row["storage_status"] == "completed"
    assert await shown(row) == shots.made[row["id"]]


async def test_a_film_has_the_new_clip_while_the_row_shows_the_copy_of_the_old_one(
    site: Site,
) -> None:
    await site.vidfab.providers.control.fail(RENDERS, status=400)  # what is ordered is enough
    await site.worker(**shotstack(site.vidfab))
    shots = await stored(site)
    await regenerate(shots)
    await show_clip(shots.supabase, shots.project.id, 1, clip_url(site, 4))
    await shots.set_project(step_4_status="completed")
    await site.end_of(await enqueue_compose(site.app, shots.project))
    [order] = [
        one for one in await site.vidfab.providers.control.requests(RENDERS) if one.method == "POST"
    ]
    clips = order.body["timeline"]["tracks"][0]["clips"]
    assert clips[0]["asset"]["src"] == clip_url(site, 4)
    assert [clip["asset"]["src"] for clip in clips[1:]] == [
        row["cdn_url"] for row in (await shots.rows(CLIPS))[1:]
    ]


class AppBetween(Gateway):
    """The app does each of `steps` right before one of the worker's changes of the project."""

    steps: list[Callable[[], Awaitable[None]]]

    async def _pass_on(self, request: Request) -> Response:
        if request.method == "PATCH" and request.url.path.endswith(PROJECTS) and self.steps:
            await self.steps.pop(0)()
        return await super()._pass_on(request)


async def test_a_clip_that_is_ordered_again_as_a_sync_ends_keeps_the_step_open(site: Site) -> None:
    shots = await three_shots(site)
    await shots.lay_ordered_clips()

    async def touch() -> None:
        await shots.set_project(story_style="comic")

    async def order_again() -> None:
        await regenerate(shots)

    async with AppBetween(shots.supabase) as supabase:
        supabase.steps = [touch, order_again]
        await site.worker(SUPABASE_URL=supabase.url)
        assert (await site.end_of(await enqueue_sync(site.app, shots.project))).name == "completed"
        assert supabase.steps == []
    statuses = [row["status"] for row in await shots.rows(CLIPS)]
    assert statuses == ["generating", "success", "success"]
    [project] = await shots.supabase.rows(PROJECTS, id=f"eq.{shots.project.id}")
    assert project["step_4_status"] == "processing"
