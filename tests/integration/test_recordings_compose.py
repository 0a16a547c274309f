"""The recorded compose jobs, replayed.

What comes out is what the Node worker left behind, except where the contract overrules it:

- progress goes on between 40 and 90 while the film is rendered and fetched;
- `video.url` is the stored film's, not the vendor's, which lives a day; size, resolution and
  duration are the file's own;
- a clip is as long as its own shot, also when the clip before it is missing;
- Shotstack is asked to keep no copy of its own of the film, in public and for ever;
- a render that failed, and a project that is not ready, fail the job and the project at once.

The recordings' clips lie at addresses that the stand-in cannot fetch; here they are at the media
host.
"""

from typing import Any

import pytest

from sandbox.providers.models import Timing
from tests.support.compositions import (
    FILM,
    JOB,
    RENDERS,
    clip,
    lay_project,
    object_info,
    project_row,
    shotstack,
    stored_film,
)
from tests.support.people import told_operators
from tests.support.progress import check_events, check_log
from tests.support.recordings import Recording, load
from tests.support.site import Site

VOLATILE = {"updated_at", "completed_at", "final_video_file_size"}


def recording(site: Site, name: str) -> Recording:
    vidfab = site.vidfab
    return load(name, media_url=vidfab.providers.media_url, supabase_url=vidfab.supabase.url)


def source(site: Site, number: int) -> str:
    return f"{site.vidfab.providers.media_url}/clip/c{number}.mp4?seconds=4"


async def replay(site: Site, recorded: Recording) -> None:
    await site.vidfab.providers.control.timing(Timing(renders=0))
    for job in recorded.enqueued:
        stored = job["stored_in_redis"]
        await site.app.add(stored["name"], stored["data"], stored["opts"])
    await site.worker(**shotstack(site.vidfab))


def milestones(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if not 40 < event["percent"] < 90]


async def check_edit(site: Site, recorded: Recording, sources: list[str], **third: Any) -> None:
    """The recorded body, with our sources; `third` is what the second clip has instead."""
    [asked] = [
        one for one in await site.vidfab.providers.control.requests(RENDERS) if one.method == "POST"
    ]
    expected = recorded.did["provider_requests"][0]["body"]
    clips = expected["timeline"]["tracks"][0]["clips"]
    for given, url in zip(clips, sources, strict=True):
        given["asset"]["src"] = url
    clips[1].update(third)
    expected["output"]["destinations"] = [{"provider": "shotstack", "exclude": True}]
    assert asked.body == expected
    assert asked.headers["x-api-key"] == "***"


async def check_result(site: Site, recorded: Recording, resolution: str, seconds: int) -> None:
    job = await site.finished(JOB)
    assert (job.state, job.failed_reason) == ("completed", None)
    check_events(milestones(site.progress(JOB)), recorded.progress(JOB))
    await check_log(site.folder, recorded.progress(JOB))
    [change] = recorded.did["rows_changed"]["video_agent_projects"]
    expected = {**change["set"], "final_video_resolution": resolution}
    row = await project_row(site.vidfab)
    assert {key: row[key] for key in expected if key not in VOLATILE} == {
        key: value for key, value in expected.items() if key not in VOLATILE
    }
    assert row["completed_at"]
    info = await object_info(site.vidfab)
    [stored] = recorded.did["objects_stored"]
    assert stored["path"] == FILM
    assert (info["mimetype"], info["cacheControl"]) == (stored["mimetype"], stored["cacheControl"])
    assert info["size"] == row["final_video_file_size"] > 10_000
    film = await stored_film(site.vidfab, site.folder)
    assert job.returnvalue["data"] == {
        "composed": True,
        "estimatedDuration": seconds,
        "video": {
            "url": row["final_video_url"],
            "fileSize": info["size"],
            "resolution": resolution,
            "duration": pytest.approx(film.duration_s, abs=0.02),
            "storageKey": FILM,
        },
    }
    assert film.duration_s == pytest.approx(seconds, abs=0.1)
    assert job.returnvalue.keys() == recorded.returned(JOB).keys()


@pytest.mark.parametrize(
    ("name", "aspect", "resolution"),
    [("ok", "16:9", "1920x1080"), ("9x16", "9:16", "1080x1920")],
)
async def test_compose(site: Site, name: str, aspect: str, resolution: str) -> None:
    recorded = recording(site, f"va_compose_video-{name}")
    sources = [source(site, 1), source(site, 2)]
    clips = [clip(n, url) for n, url in enumerate(sources, 1)]
    await lay_project(site.vidfab, [4, 8], clips, aspect_ratio=aspect)
    await replay(site, recorded)
    await check_result(site, recorded, resolution, 12)
    await check_edit(site, recorded, sources)


async def test_a_clip_is_missing(site: Site) -> None:
    """Shots of 4, 8 and 6 s without the second clip: 4 s and 6 s (the Node worker took 8)."""
    recorded = recording(site, "va_compose_video-missing-clip")
    sources = [source(site, 1), source(site, 3)]
    clips = [
        clip(3, None, video_url_external=sources[1], video_url="https://x.example/3.mp4"),
        clip(2, None, status="failed", video_url="https://x.example/2.mp4"),
        clip(1, None, video_url=sources[0]),
    ]
    await lay_project(site.vidfab, [4, 8, 6], clips)
    await replay(site, recorded)
    await check_result(site, recorded, "1920x1080", 10)
    await check_edit(site, recorded, sources, length=6)


async def test_a_failed_render_is_final_at_once(site: Site) -> None:
    """The Node worker asks for five minutes more and leaves the project in `processing`."""
    recorded = recording(site, "va_compose_video-render-failed")
    failed = {"id": "x", "status": "failed", "error": "lab render error"}
    answer = {"success": True, "message": "OK", "response": failed}
    await site.vidfab.providers.control.fail(f"{RENDERS}/*", 200, body=answer)
    await lay_project(site.vidfab, [4], [clip(1, source(site, 1))])
    await replay(site, recorded)
    job = await site.finished(JOB)
    reason = "Shotstack could not render the video: lab render error"
    said = "This final video could not be made. Please try again."
    assert (job.state, job.failed_reason, job.attempts_made) == ("failed", said, 1)
    assert told_operators(job) == reason
    await site.check_progress(JOB, recorded.progress(JOB))
    row = await project_row(site.vidfab)
    assert (row["status"], row["step_6_status"]) == ("failed", "failed")
    assert len(await site.vidfab.providers.control.requests(f"{RENDERS}/*")) == 1


async def test_the_clips_are_not_ready(site: Site) -> None:
    recorded = recording(site, "va_compose_video-step4-not-completed")
    await lay_project(site.vidfab, [4], [clip(1, source(site, 1))], step_4_status="processing")
    await replay(site, recorded)
    job = await site.finished(JOB)
    reason = recorded.did["events"][-1]["returnvalue"]["error"]
    said = "Not all clips are finished yet. Please wait for them, then try again."
    assert (job.state, job.failed_reason, job.attempts_made) == ("failed", said, 1)
    assert told_operators(job) == reason
    await site.check_progress(JOB, recorded.progress(JOB))
    row = await project_row(site.vidfab)
    assert (row["status"], row["step_6_status"]) == ("failed", "failed")
    assert (await site.vidfab.providers.control.paid()).renders == 0
