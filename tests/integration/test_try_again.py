"""A person who waits for a final video, and tries again: what the page shows, and what is paid."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from core.people import Thing, late
from sandbox.app_films import FilmPage, Shown
from sandbox.chaos.troubled_supabase import Trouble, TroubledSupabase
from sandbox.providers.models import Timing
from tests.support.cli import command
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
from tests.support.recordings import PROJECT, USER
from tests.support.site import Site

FILMS = "/shotstack/*.mp4"
UPLOAD = f"/storage/v1/object/user-videos/{FILM}"
ROWS = "/rest/v1/video_agent_projects"
# Tries of one request before its attempt has failed.
TRIES = 4
AT_ONCE = {"type": "fixed", "delay": 100}
FOR_EVER = {"type": "fixed", "delay": 3_600_000}
OFTEN = timedelta(milliseconds=30)
LONG_AGO_MS = 13 * 60 * 1000


@dataclass
class Stage:
    """A project of two clips, the app's page of it, and workers behind a Supabase that may fail."""

    site: Site
    supabase: TroubledSupabase

    def page(self, backoff: dict[str, Any] = FOR_EVER, **options: Any) -> FilmPage:
        given = {"backoff": backoff, **options}
        return FilmPage(self.site.app, self.site.vidfab.supabase, PROJECT, USER, **given)

    async def worker(self) -> None:
        where = shotstack(self.site.vidfab)
        await self.site.worker(**where, SUPABASE_URL=self.supabase.url)

    async def shown(self, text: str) -> None:
        await self.site.app.wait_until(
            lambda: any(text in one["message"] for one in self.site.progress(JOB))
        )

    async def change(self, shot_number: int, **columns: Any) -> None:
        chosen = {"project_id": f"eq.{PROJECT}", "shot_number": f"eq.{shot_number}"}
        await self.site.vidfab.supabase.update("project_video_clips", columns, **chosen)

    def uploads(self) -> int:
        return sum(UPLOAD in one for one in self.supabase.seen)

    @property
    def control(self) -> Any:
        return self.site.vidfab.providers.control

    async def orders(self) -> int:
        found = await self.control.requests(RENDERS)
        ordered = sum(one.method == "POST" for one in found)
        assert ordered == (await self.control.paid()).renders
        return ordered

    async def check_film(self, seconds: float = 6) -> None:
        """It lies in storage, whole, and the row says so."""
        row = await project_row(self.site.vidfab)
        assert (row["status"], row["step_6_status"]) == ("completed", "completed")
        assert row["final_video_storage_path"] == FILM
        assert row["final_video_file_size"] == (await object_info(self.site.vidfab))["size"]
        film = await stored_film(self.site.vidfab, self.site.folder)
        assert film.duration_s == pytest.approx(seconds, abs=0.2)


@pytest.fixture
async def stage(site: Site) -> AsyncIterator[Stage]:
    url = f"{site.vidfab.providers.media_url}/clip/%s.mp4?seconds=%d"
    clips = [
        clip(1, url % ("a", 4), seedance_task_id="cgt-a"),
        clip(2, url % ("b", 2), seedance_task_id="cgt-b"),
    ]
    await lay_project(site.vidfab, [4, 2], clips)
    await site.vidfab.providers.control.timing(Timing(renders=0))
    async with TroubledSupabase(site.vidfab.supabase) as supabase:
        yield Stage(site, supabase)


def ends_well(shown: list[Shown]) -> bool:
    """The page showed progress, and then the film; never a failure."""
    percents = [one.percent or 0 for one in shown]
    states = [one.state for one in shown]
    return (
        set(states[:-1]) <= {"processing"}
        and states[-1] == "completed"
        and (percents == sorted(percents))
    )


async def test_a_composition_that_fails_twice_is_shown_as_processing_throughout(
    stage: Stage,
) -> None:
    """Its film is not there yet, then it cannot be stored; polls fail, too."""
    await stage.control.fail(f"{RENDERS}/*", 500, times=2)
    await stage.control.fail(FILMS, 404, times=1)
    stage.supabase.trouble(Trouble("503", UPLOAD, times=TRIES))
    page = stage.page(AT_ONCE)
    await page.start()
    await stage.worker()
    shown = await page.watch(OFTEN)
    assert ends_well(shown), shown
    job = await stage.site.finished(JOB)
    assert job.attempts_made == 3
    assert job.returnvalue["data"]["video"]["storageKey"] == FILM
    assert await stage.orders() == 1
    await stage.check_film()


async def waiting(stage: Stage) -> None:
    """No worker has it yet."""
    await stage.page().start()


async def before_the_order(stage: Stage) -> None:
    await stage.control.delay(RENDERS, 1)
    await stage.page().start()
    await stage.worker()
    await stage.site.wait_for_requests(RENDERS, 1)


async def rendering(stage: Stage) -> None:
    await stage.control.timing(Timing(renders=2))
    await stage.page().start()
    await stage.worker()
    await stage.shown("Rendering video")


async def in_backoff(stage: Stage) -> None:
    await stage.control.fail(FILMS, 404, times=1)
    await stage.page().start()
    await stage.worker()
    await stage.site.app.wait_for(JOB, "delayed")


async def storing(stage: Stage) -> None:
    stage.supabase.trouble(Trouble("delay", UPLOAD))
    await stage.page().start()
    await stage.worker()
    await stage.shown("Uploading")


async def not_stored(stage: Stage) -> None:
    stage.supabase.trouble(Trouble("503", UPLOAD, times=TRIES))
    await stage.page().start()
    await stage.worker()
    await stage.site.app.wait_for(JOB, "delayed")


async def stored_without_a_row(stage: Stage) -> None:
    await storing(stage)
    # Its upload is under way, and asks for no row.
    stage.supabase.trouble(Trouble("503", ROWS, times=TRIES))
    await stage.site.app.wait_for(JOB, "delayed")


async def failed(stage: Stage) -> None:
    await stage.control.fail(FILMS, 404, times=1)
    page = stage.page(attempts=1)
    await page.start()
    await stage.worker()
    await stage.site.app.wait_for(JOB, "failed")
    assert (await page.status()).state == "failed"


MOMENTS: list[Callable[[Stage], Awaitable[None]]] = [
    waiting,
    before_the_order,
    rendering,
    in_backoff,
    storing,
    not_stored,
    stored_without_a_row,
    failed,
]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
async def test_trying_again_at_any_moment_pays_for_one_render(
    stage: Stage, moment: Callable[[Stage], Awaitable[None]]
) -> None:
    await moment(stage)
    page = stage.page()
    await page.try_again()
    if moment is waiting:
        await stage.worker()
    shown = await page.watch(OFTEN)
    assert ends_well(shown), shown
    assert await stage.orders() == 1
    assert len({one.path for one in await stage.control.requests(f"{RENDERS}/*")}) == 1
    await stage.check_film()


async def test_entering_the_step_again_after_a_failure_pays_for_one_render(stage: Stage) -> None:
    await failed(stage)
    page = stage.page()
    assert (await page.open()).state == "processing"
    assert ends_well(await page.watch(OFTEN))
    assert (await page.open()).state == "completed", "and nothing is asked for any more"
    assert await stage.orders() == 1
    await stage.check_film()


async def test_a_film_that_is_stored_is_not_uploaded_again(stage: Stage) -> None:
    await stored_without_a_row(stage)
    uploads = stage.uploads()
    page = stage.page()
    await page.try_again()
    assert ends_well(await page.watch(OFTEN))
    assert stage.uploads() == uploads
    await stage.check_film()


async def test_a_film_that_was_removed_from_storage_is_stored_again(stage: Stage) -> None:
    await stored_without_a_row(stage)
    supabase = stage.site.vidfab.supabase
    await supabase.request("DELETE", "/storage/v1/object/user-videos", json={"prefixes": [FILM]})
    page = stage.page()
    await page.try_again()
    assert ends_well(await page.watch(OFTEN))
    assert await stage.orders() == 1
    await stage.check_film()


@pytest.mark.parametrize("moment", [before_the_order, rendering], ids=lambda one: one.__name__)
async def test_a_job_that_was_removed_under_its_worker_pays_for_one_render(
    stage: Stage, moment: Callable[[Stage], Awaitable[None]]
) -> None:
    """Its lock had run out, of which the first worker has not heard when the new job is taken."""
    await moment(stage)
    await stage.worker()
    async with Redis.from_url(stage.site.redis.url) as redis:
        await redis.delete(f"bull:{stage.site.queue}:{JOB}:lock")
    page = stage.page()
    await page.try_again()
    assert ends_well(await page.watch(OFTEN))
    assert await stage.orders() == 1
    await stage.check_film()


async def test_a_clip_that_moves_is_the_same_film(stage: Stage) -> None:
    """Its copy arrives in our own storage while the composition waits."""
    await in_backoff(stage)
    other = f"{stage.site.vidfab.providers.media_url}/clip/other.mp4?seconds=4"
    await stage.change(1, video_url_external=None, cdn_url=other)
    page = stage.page()
    await page.try_again()
    assert ends_well(await page.watch(OFTEN))
    assert await stage.orders() == 1


CHANGES: dict[str, Callable[[Stage], Awaitable[None]]] = {
    "a clip made anew": lambda stage: stage.change(1, seedance_task_id="cgt-c"),
    "a clip less": lambda stage: stage.change(2, status="failed"),
}


@pytest.mark.parametrize(("change", "seconds"), [("a clip made anew", 6), ("a clip less", 4)])
@pytest.mark.parametrize("moment", [in_backoff, stored_without_a_row], ids=lambda one: one.__name__)
async def test_another_film_is_rendered_anew(
    stage: Stage, moment: Callable[[Stage], Awaitable[None]], change: str, seconds: float
) -> None:
    await moment(stage)
    await CHANGES[change](stage)
    page = stage.page()
    await page.try_again()
    assert ends_well(await page.watch(OFTEN))
    assert await stage.orders() == 2
    await stage.check_film(seconds)


async def test_a_day_later_a_film_is_rendered_anew(stage: Stage) -> None:
    await in_backoff(stage)
    key = f"bull:{stage.site.queue}:vidfab:film:{PROJECT}"
    async with Redis.from_url(stage.site.redis.url) as redis:
        assert 23 * 3600 < await redis.ttl(key) <= 24 * 3600
        await redis.pexpire(key, 1)
        await asyncio.sleep(0.01)
    page = stage.page()
    await page.try_again()
    assert ends_well(await page.watch(OFTEN))
    assert await stage.orders() == 2
    await stage.check_film()


async def test_a_render_that_failed_is_not_gone_on_with(stage: Stage) -> None:
    failure = {"response": {"status": "failed", "error": "no luck"}}
    await stage.control.fail(f"{RENDERS}/*", 200, body=failure, times=1)
    page = stage.page()
    await page.start()
    await stage.worker()
    assert [one.state for one in await page.watch(OFTEN)][-1] == "failed"
    await page.start()
    assert ends_well(await page.watch(OFTEN))
    assert await stage.orders() == 2
    await stage.check_film()


async def test_a_render_that_is_refused_for_now_is_ordered_once(stage: Stage) -> None:
    """429 says that it was not accepted: it is waited out, within the attempt."""
    await stage.control.fail(RENDERS, 429, times=2, headers={"retry-after": "1"})
    page = stage.page()
    await page.start()
    await stage.worker()
    assert ends_well(await page.watch(OFTEN))
    assert (await stage.site.finished(JOB)).attempts_made == 1
    assert (await stage.control.paid()).renders == 1


async def test_a_job_that_was_settled_while_it_waited_buys_nothing(stage: Stage) -> None:
    """Its person was told that it failed, 12 minutes after it was asked for."""
    page = stage.page(timestamp=round(time.time() * 1000) - LONG_AGO_MS)
    await page.start()
    settled = {"status": "failed", "step_6_status": "failed"}
    rows = {"id": f"eq.{PROJECT}"}
    await stage.site.vidfab.supabase.update("video_agent_projects", settled, **rows)
    await stage.worker()
    shown = (await page.watch(OFTEN))[-1]
    assert (shown.state, shown.message) == (
        "failed",
        late(Thing.FILM, "en"),
    )
    assert await stage.orders() == 0
    await stage.page().try_again()
    assert ends_well(await page.watch(OFTEN))


async def test_a_job_that_gets_nowhere_ends_before_its_person_stops_waiting(stage: Stage) -> None:
    """It was put off, 12 minutes are over, and nothing moved for 3; its render is kept."""
    await in_backoff(stage)
    key = f"bull:{stage.site.queue}:{JOB}"
    async with Redis.from_url(stage.site.redis.url) as redis:
        added_at = time.time() - LONG_AGO_MS / 1000
        nowhere = f'{{"progressed_at": {added_at}}}'
        await redis.hset(key, mapping={"timestamp": round(added_at * 1000), "checkpoint": nowhere})
    await stage.site.app.promote(JOB)
    await stage.site.app.wait_for(JOB, "failed")
    row = await project_row(stage.site.vidfab)
    assert (row["status"], row["step_6_status"]) == ("failed", "failed")
    page = stage.page()
    assert (await page.open()).state == "processing"
    assert ends_well(await page.watch(OFTEN))
    assert await stage.orders() == 1


async def test_a_failed_job_that_is_old_is_retried_by_hand(stage: Stage) -> None:
    """As `worker.py retry` does it: with all its attempts, and with the time of its adding."""
    await failed(stage)
    async with Redis.from_url(stage.site.redis.url) as redis:
        added_at_ms = round(time.time() * 1000) - LONG_AGO_MS
        await redis.hset(f"bull:{stage.site.queue}:{JOB}", "timestamp", added_at_ms)
    retried = await command(stage.site.vidfab.settings(stage.site.queue), "retry", JOB)
    assert retried.code == 0
    await stage.site.app.wait_for(JOB, "completed")
    assert await stage.orders() == 1
    await stage.check_film()


async def test_a_row_of_fifteen_minutes_is_taken_for_a_failure(stage: Stage) -> None:
    """What the page does: the worker has to keep the row fresh."""
    vidfab = stage.site.vidfab
    later = FilmPage(
        stage.site.app, vidfab.supabase, PROJECT, USER, now=lambda: time.time() + 15 * 60
    )
    await later.start()
    assert (await later.status()).state == "failed"
    assert (await stage.page().status()).state == "processing"
