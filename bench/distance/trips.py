"""How many trips to each server a job takes one behind the other, by the time that they take.

A job is timed at no distance and at a long one from one server alone, and the difference is
divided by that. Trips that a job makes side by side count once, and so does what it sends over a
connection without waiting for an answer. Connecting takes no time here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from bench.distance.places import Far, Hire, Land, nodes, ours
from bench.distance.work import CLIPS, Work, ended, took_ms
from bench.distant import Line
from bench.figure import Figure, at_most
from bench.site import OPTIONS
from core.jobs.registry import discover
from sandbox.app import create_user
from sandbox.app_videos import enqueue_cleanup, enqueue_quota, enqueue_video
from sandbox.processes import SandboxError

# Long beside what the jobs' work takes now and then, which is what rounding must swallow.
_AWAY_S = 0.5
_SHOTS = 3


@dataclass(frozen=True)
class Most:
    """Trips behind each other that a job may take."""

    supabase: int
    redis: int


GOALS: Mapping[str, Most] = {
    "storyboard_generation": Most(supabase=3, redis=3),
    "storyboard_download": Most(supabase=3, redis=1),
    "va_sync_video_status": Most(supabase=3, redis=2),
    "video_clip_download": Most(supabase=3, redis=2),
    "va_compose_video": Most(supabase=4, redis=3),
    "download_video": Most(supabase=4, redis=2),
    "generate_thumbnail": Most(supabase=4, redis=1),
    "update_quota": Most(supabase=4, redis=1),
    "cleanup_temp": Most(supabase=1, redis=1),
}


@dataclass(frozen=True)
class _Asked:
    """The ids of the jobs that are timed, by name; `jobs` run in all."""

    ids: Mapping[str, str]
    jobs: int = 1


_Ask = Callable[[Work, Far], Awaitable[_Asked]]
_Times = dict[str, float]


async def measure(land: Land, work: Work) -> list[Figure]:
    """A row for each job and server; Node's plain worker does not have all jobs."""
    both = (ours(land.bench), [*_OF_BOTH, *_OURS_ALONE]), (nodes(land.bench), _OF_BOTH)
    python, node = await asyncio.gather(*(_trips(land, work, *one) for one in both))
    if missing := set(discover().entries()) - set(python[0]):
        raise SandboxError(f"No trips were counted of {', '.join(sorted(missing))}")
    rows: list[Figure] = []
    for number, server in enumerate(("Supabase", "Redis")):
        for name, most in GOALS.items():
            theirs = [node[number][name]] if name in node[number] else []
            goal = at_most((most.supabase, most.redis)[number])
            what = f"{name}, behind each other to {server}"
            rows.append(Figure(what, "trips", [python[number][name]], theirs, goal))
    return rows


async def _trips(land: Land, work: Work, hire: Hire, asks: Sequence[_Ask]) -> tuple[_Times, _Times]:
    """To Supabase and to Redis."""
    redis, supabase = Line(0, connects_free=True), Line(0, connects_free=True)
    async with land.behind(redis, supabase, hire) as far:
        await _took(work, far, asks)  # what a worker does once in its life does not count
        near = await _took(work, far, asks)
        supabase.round_trip_s = _AWAY_S
        to_supabase = await _took(work, far, asks)
        supabase.round_trip_s, redis.round_trip_s = 0, _AWAY_S
        to_redis = await _took(work, far, asks)
        redis.round_trip_s = 0
    return _counted(near, to_supabase), _counted(near, to_redis)


def _counted(near: _Times, away: _Times) -> _Times:
    return {name: round((away[name] - near[name]) / (1000 * _AWAY_S)) for name in near}


async def _took(work: Work, far: Far, asks: Sequence[_Ask]) -> _Times:
    """Milliseconds of each job, one after the other."""
    times: _Times = {}
    for ask in asks:
        before = await far.site.mark()
        asked = await ask(work, far)
        events = await ended(far.site, before, asked.jobs)
        times |= {name: took_ms(events, job_id) for name, job_id in asked.ids.items()}
    return times


async def _storyboards(work: Work, far: Far) -> _Asked:
    job_id = await work.ask_storyboards(far, _SHOTS)
    return _Asked({"storyboard_generation": job_id}, jobs=1 + _SHOTS)


async def _picture(work: Work, far: Far) -> _Asked:
    return _Asked({"storyboard_download": await far.site.add(job=await work.picture())})


async def _sync(work: Work, far: Far) -> _Asked:
    return _Asked({"va_sync_video_status": await work.ask_sync(far)}, jobs=1 + CLIPS)


async def _clip(work: Work, far: Far) -> _Asked:
    project, task = await work.project(1), uuid4().hex
    url = {"video_url": work.clip_url, "video_url_external": work.clip_url}
    made = {"status": "success", "storage_status": "pending", **url}
    await work.clips(project, [{**made, "seedance_task_id": task}])
    ids = {"userId": project.user_id, "videoId": project.id, "projectId": project.id}
    data = {**ids, "shotNumber": 1, "externalUrl": work.clip_url}
    options = {**OPTIONS, "jobId": f"va_clip_download_{project.id}_1_{task}"}
    return _Asked(
        {"video_clip_download": await far.site.app.add("video_clip_download", data, options)}
    )


async def _film(work: Work, far: Far) -> _Asked:
    return _Asked({"va_compose_video": await work.ask_compose(far)})


async def _video(work: Work, far: Far) -> _Asked:
    supabase, video = work.bench.vidfab.supabase, str(uuid4())
    user = await create_user(supabase)
    job_id = await enqueue_video(far.site.app, supabase, user, video, work.clip_url)
    ids = {"download_video": job_id, "generate_thumbnail": f"thumbnail_{video}"}
    return _Asked(ids, jobs=2)


async def _quota(work: Work, far: Far) -> _Asked:
    user = await create_user(work.bench.vidfab.supabase)
    return _Asked({"update_quota": await enqueue_quota(far.site.app, user, str(uuid4()))})


async def _cleanup(work: Work, far: Far) -> _Asked:
    """Of one object."""
    supabase = work.bench.vidfab.supabase
    user = await create_user(supabase)
    path = f"user-images/images/{user}/temporary.jpg"
    await supabase.request(
        "POST",
        f"/storage/v1/object/{path}",
        content=b"a picture",
        headers={"content-type": "image/jpeg"},
    )
    url = f"{far.supabase_url}/storage/v1/object/public/{path}"
    return _Asked({"cleanup_temp": await enqueue_cleanup(far.site.app, user, str(uuid4()), [url])})


_OF_BOTH: Sequence[_Ask] = (_storyboards, _picture, _sync, _clip, _film)
_OURS_ALONE: Sequence[_Ask] = (_video, _quota, _cleanup)
