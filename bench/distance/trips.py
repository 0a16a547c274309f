"""How many trips to each server a job takes one behind the other, by how long it is on its way.

A worker that runs one job at a time is far from one server alone. To Supabase, the time during
which anything is under way, from the job's beginning to its end, divided by a round trip, is the
number. To Redis it is how much longer the job takes than near both: progress is sent beside the
work. What a job sends side by side counts once, its own work does not. Connecting takes no time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from bench.distance.places import Far, Hire, Land, nodes, ours
from bench.distance.work import CLIPS, Work, ended, span_of
from bench.figure import Figure, at_most
from bench.site import OPTIONS
from core.jobs.registry import discover
from sandbox.app import create_user
from sandbox.app_videos import enqueue_cleanup, enqueue_quota, enqueue_video
from sandbox.distant import Line
from sandbox.processes import SandboxError

# Long beside what lies between two requests that a job makes side by side.
_AWAY_S = 0.4
_SHOTS = 3


@dataclass(frozen=True)
class Most:
    """Trips behind each other that a job may take."""

    supabase: int
    redis: int


GOALS: Mapping[str, Most] = {
    "storyboard_generation": Most(supabase=3, redis=4),
    "storyboard_download": Most(supabase=3, redis=1),
    "va_sync_video_status": Most(supabase=3, redis=2),
    "video_clip_download": Most(supabase=3, redis=2),
    "va_compose_video": Most(supabase=4, redis=5),
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
_Trips = dict[str, int]
_Span = tuple[int, int]


async def measure(land: Land, work: Work) -> list[Figure]:
    """A row for each job and server; Node's plain worker does not have all jobs."""
    workers = (ours(land.bench), [*_OF_BOTH, *_OURS_ALONE]), (nodes(land.bench), _OF_BOTH)
    python, node, python_redis, node_redis = await asyncio.gather(
        *(_to_supabase(land, work, *one) for one in workers),
        *(_to_redis(land, work, *one) for one in workers),
    )
    if missing := set(discover().entries()) - set(python):
        raise SandboxError(f"No trips were counted of {', '.join(sorted(missing))}")
    return [
        *(_row(name, "Supabase", python, node, most.supabase) for name, most in GOALS.items()),
        *(
            _row(name, "Redis", python_redis, node_redis, most.redis)
            for name, most in GOALS.items()
        ),
    ]


def _row(name: str, server: str, python: _Trips, node: _Trips, most: int) -> Figure:
    theirs = [node[name]] if name in node else []
    what = f"{name}, behind each other to {server}"
    return Figure(what, "trips", [python[name]], theirs, at_most(most))


async def _to_supabase(land: Land, work: Work, hire: Hire, asks: Sequence[_Ask]) -> _Trips:
    redis, supabase = Line(0, connects_free=True), Line(0, connects_free=True)
    async with land.behind(redis, supabase, hire, concurrency=1) as far:
        await _run(work, far, asks)  # what a worker does once in its life does not count
        away = await _far_away(work, far, asks, supabase)
        under_way = {name: _under_way_s(supabase, span) for name, span in away.items()}
        return _trips(under_way)


async def _to_redis(land: Land, work: Work, hire: Hire, asks: Sequence[_Ask]) -> _Trips:
    redis, supabase = Line(0, connects_free=True), Line(0, connects_free=True)
    async with land.behind(redis, supabase, hire, concurrency=1) as far:
        await _run(work, far, asks)
        near = await _run(work, far, asks)
        away = await _far_away(work, far, asks, redis)
        longer = {name: _length_s(span) - _length_s(near[name]) for name, span in away.items()}
        return _trips(longer)


async def _far_away(work: Work, far: Far, asks: Sequence[_Ask], line: Line) -> dict[str, _Span]:
    line.round_trip_s = _AWAY_S
    try:
        return await _run(work, far, asks)
    finally:
        line.round_trip_s = 0


def _trips(seconds: Mapping[str, float]) -> _Trips:
    """Raises SandboxError where a job seems to need none: each has some."""
    trips = {name: round(spent / _AWAY_S) for name, spent in seconds.items()}
    if lost := [name for name, number in trips.items() if number < 1]:
        found = f"The machine is too busy to count the trips of {', '.join(lost)}"
        raise SandboxError(found)
    return trips


def _length_s(span: _Span) -> float:
    return (span[1] - span[0]) / 1000


def _under_way_s(line: Line, span: _Span) -> float:
    return under_way_s(line.trace, span[0] / 1000, span[1] / 1000)


def under_way_s(trace: Sequence[tuple[float, float]], began: float, ended: float) -> float:
    """For how long anything was, between these two moments."""
    total, until = 0.0, began
    for start, end in sorted(trace):
        begin, end = max(start, until), min(end, ended)
        if end > begin:
            total += end - begin
            until = end
    return total


async def _run(work: Work, far: Far, asks: Sequence[_Ask]) -> dict[str, _Span]:
    """When each job began and ended, one after the other."""
    spans: dict[str, _Span] = {}
    for ask in asks:
        before = await far.site.mark()
        asked = await ask(work, far)
        events = await ended(far.site, before, asked.jobs)
        spans |= {name: span_of(events, job_id) for name, job_id in asked.ids.items()}
    return spans


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
