"""The same work asked for twice at the same time: rows, objects and follow-ups as of one."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sandbox.vidfab import VidFab
from tests.integration.test_repeated_requests import COMMON, jobs, lay
from tests.support import films
from tests.support.compositions import shotstack
from tests.support.recordings import PROJECT
from tests.support.site import Site
from tests.support.videos import store_video

SHOTS = {"shots": [{"shot_number": 1, "description": "A door"}]}
TABLES = ("project_storyboards", "project_video_clips", "user_videos", "video_agent_projects")
# What differs from run to run, and what an image provider names anew each time.
VOLATILE = {
    "id",
    "created_at",
    "updated_at",
    "completed_at",
    "image_url",
    "image_url_external",
}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.film(tmp_path_factory.mktemp("films") / "film.mp4")


def work(media: str) -> dict[str, dict[str, Any]]:
    asked = {name: data for name, (_, data) in jobs(media).items()}
    project = {**COMMON, "projectId": PROJECT}
    return {
        **asked,
        "storyboard_generation": {**project, **SHOTS},
        "va_compose_video": project,
    }


async def prepare(vidfab: VidFab, name: str, film: Path) -> None:
    """What the app has laid down before it asks for this."""
    await lay(vidfab)
    project = {"id": f"eq.{PROJECT}"}
    row = {"project_id": f"eq.{PROJECT}"}
    clip = {"status": "success", "video_url_external": f"{vidfab.providers.media_url}/clip/a.mp4"}
    match name:
        case "storyboard_generation":
            fresh = {"status": "generating", "storage_status": None}
            await vidfab.supabase.update("project_storyboards", fresh, **row)
        case "va_compose_video":
            await vidfab.supabase.update("project_video_clips", clip, **row)
            await vidfab.supabase.update(
                "video_agent_projects", {"step_4_status": "completed"}, **project
            )
        case "generate_thumbnail":
            await store_video(vidfab, film)
        case _:
            return


async def rows(vidfab: VidFab) -> dict[str, list[dict[str, Any]]]:
    found = {table: await vidfab.supabase.rows(table) for table in TABLES}
    return {table: [_comparable(row) for row in found[table]] for table in TABLES}


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Generated pictures differ in size, too."""
    return {
        key: bool(row[key]) if key == "file_size" else row[key] for key in row.keys() - VOLATILE
    }


async def settled(site: Site, *job_ids: str) -> None:
    """Until these and their follow-ups are at their ends; ids may come again."""
    for job_id in job_ids:
        await site.end_of(job_id)
    await site.app.wait_until(
        lambda: jobs_with(site, "added") <= jobs_with(site, "completed", "failed")
    )


def jobs_with(site: Site, *names: str) -> Counter[str | None]:
    return Counter(event.job_id for event in site.app.events if event.name in names)


@pytest.mark.parametrize("name", sorted(work("")))
async def test_twice_at_once_is_as_once(site: Site, film: Path, name: str) -> None:
    vidfab = site.vidfab
    data = work(vidfab.providers.media_url)[name]
    options = {"priority": 2, "attempts": 1}
    await site.worker(QUEUE_CONCURRENCY="2", **shotstack(vidfab))

    await prepare(vidfab, name, film)
    await settled(site, await site.app.add(name, data, {"jobId": "once", **options}))
    once = await rows(vidfab)
    follow_ups = set(jobs_with(site, "added")) - {"once"}

    await vidfab.supabase.reset()
    await prepare(vidfab, name, film)
    before = len(site.app.events)
    both = ("first", "second")
    for job_id in both:
        await site.app.add(name, data, {"jobId": job_id, **options})
    await settled(site, *both)
    assert await rows(vidfab) == once
    again = [event.job_id for event in site.app.events[before:] if event.name == "added"]
    assert set(again) - set(both) == follow_ups
    assert all(site.app.events_of(job_id, "completed") for job_id in ("once", *both))
