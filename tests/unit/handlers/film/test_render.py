import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import (
    JobError,
    RequeueLater,
    RetryableError,
    ServiceError,
    UnrecoverableError,
    UnsafeUrl,
    UnusableContent,
)
from core.jobs.context import JobContext
from core.timeline import Scene, Timeline
from handlers._film.render import Render
from services.films.shotstack import Rendered, RenderFailed, Rendering, State, UnknownRender
from tests.support.handle import RecordingHandle, context

TIMELINE = Timeline((Scene(1, "https://x.example/a.mp4", 0, 4),), "16:9")
DONE = Rendered("https://cdn.example/film.mp4")


class Vendor:
    """Gives `answers` in turn, then says that it is still rendering."""

    def __init__(self, *answers: State | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[str] = []
        self.asked = asyncio.Event()
        self.answered: asyncio.Event | None = None

    async def submit(self, edit: Mapping[str, Any]) -> str:
        self.calls.append("submit")
        self.asked.set()
        if self.answered:
            await self.answered.wait()
        return f"r-{self.calls.count('submit')}"

    async def state(self, render_id: str) -> State:
        self.calls.append(render_id)
        answer = self.answers.pop(0) if self.answers else Rendering("rendering")
        if isinstance(answer, Exception):
            raise answer
        return answer


class Downloads:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.fetched: list[str] = []

    async def fetch(self, url: str, into: Path, **_: Any) -> None:
        self.fetched.append(url)
        if self.error:
            raise self.error


def job(
    handle: RecordingHandle,
    downloads: Downloads,
    render: str | None = None,
    *,
    is_stopping: bool = False,
) -> JobContext[Any]:
    services = SimpleNamespace(downloads=downloads)
    saved = {"render": render} if render else {}
    stopping = asyncio.Event()
    if is_stopping:
        stopping.set()
    return context(handle, services=services, checkpoint_fields=saved, stopping=stopping)


def attempt(ctx: JobContext[Any], vendor: Any) -> Render:
    return Render(ctx, vendor, poll=timedelta(0), limit=timedelta(seconds=5))


def kept(checkpoint: Mapping[str, Any]) -> str | None:
    """The render of a checkpoint, which is kept together with its time or not at all."""
    assert (checkpoint["render"] is None) == (checkpoint["ordered_at"] is None)
    return checkpoint["render"]


async def test_the_id_is_kept_before_the_first_question() -> None:
    handle, vendor, downloads = RecordingHandle(), Vendor(Rendering("queued"), DONE), Downloads()
    await attempt(job(handle, downloads), vendor).film(TIMELINE)
    assert [kept(one) for one in handle.checkpoints] == ["r-1"]
    assert vendor.calls == ["submit", "r-1", "r-1"]
    assert downloads.fetched == [DONE.url]
    assert [one["percent"] for one in handle.progress] == [40, 42, 88]


async def test_a_kept_id_is_resumed() -> None:
    handle, vendor = RecordingHandle(), Vendor(DONE)
    await attempt(job(handle, Downloads(), "r-7"), vendor).film(TIMELINE)
    assert vendor.calls == ["r-7"]
    assert handle.checkpoints == []


async def test_an_unknown_id_is_forgotten_and_another_render_ordered() -> None:
    handle, vendor = RecordingHandle(), Vendor(UnknownRender("gone"), DONE)
    await attempt(job(handle, Downloads(), "r-7"), vendor).film(TIMELINE)
    assert vendor.calls == ["r-7", "submit", "r-1"]
    assert [kept(one) for one in handle.checkpoints] == [None, "r-1"]


async def test_an_order_that_is_unknown_at_once_is_kept_and_not_repeated() -> None:
    """The next attempt asks again, and orders anew if it has to."""
    handle, vendor = RecordingHandle(), Vendor(UnknownRender("gone"))
    with pytest.raises(RetryableError, match="not known yet"):
        await attempt(job(handle, Downloads()), vendor).film(TIMELINE)
    assert vendor.calls == ["submit", "r-1"]
    assert [kept(one) for one in handle.checkpoints] == ["r-1"]


async def test_a_failed_render_is_forgotten_and_final() -> None:
    handle, vendor = RecordingHandle(), Vendor(RenderFailed("no luck"))
    with pytest.raises(UnrecoverableError, match="could not render the video: no luck"):
        await attempt(job(handle, Downloads()), vendor).film(TIMELINE)
    assert kept(handle.checkpoints[-1]) is None


@pytest.mark.parametrize("error", [UnusableContent("x"), UnsafeUrl("x")])
async def test_a_result_that_is_no_film_is_forgotten(error: UnrecoverableError) -> None:
    handle = RecordingHandle()
    with pytest.raises(type(error)):
        await attempt(job(handle, Downloads(error)), Vendor(DONE)).film(TIMELINE)
    assert kept(handle.checkpoints[-1]) is None


@pytest.mark.parametrize("error", [RetryableError("lost"), UnrecoverableError("403 Forbidden")])
async def test_a_result_that_cannot_be_fetched_now_is_kept(error: JobError) -> None:
    """It was paid for; the next attempt asks for its address anew."""
    handle = RecordingHandle()
    with pytest.raises(RetryableError):
        await attempt(job(handle, Downloads(error)), Vendor(DONE)).film(TIMELINE)
    assert [kept(one) for one in handle.checkpoints] == ["r-1"]


async def test_a_result_of_yesterday_is_rendered_anew() -> None:
    handle = RecordingHandle()
    ctx = job(handle, Downloads(UnrecoverableError("404")), "r-7")
    ctx.checkpoint_fields["ordered_at"] = time.time() - 25 * 3600
    with pytest.raises(RetryableError):
        await attempt(ctx, Vendor(DONE)).film(TIMELINE)
    assert kept(handle.checkpoints[-1]) is None


@pytest.mark.parametrize(("age_s", "checkpoints"), [(6, []), (25 * 3600, [None])])
async def test_the_limit_counts_from_the_order_over_all_attempts(
    age_s: float, checkpoints: list[str | None]
) -> None:
    """It ends the job, not the order, whose film lives a day."""
    handle, vendor = RecordingHandle(), Vendor()
    ctx = job(handle, Downloads(), "r-7")
    ctx.checkpoint_fields["ordered_at"] = time.time() - age_s
    with pytest.raises(UnrecoverableError, match="had not rendered the video after 0:00:05"):
        await attempt(ctx, vendor).film(TIMELINE)
    assert vendor.calls == ["r-7"]
    assert [kept(one) for one in handle.checkpoints] == checkpoints


async def test_a_render_that_ended_while_nobody_looked_is_used() -> None:
    ctx = job(RecordingHandle(), Downloads(), "r-7")
    ctx.checkpoint_fields["ordered_at"] = time.time() - 3600
    vendor = Vendor(DONE)
    await attempt(ctx, vendor).film(TIMELINE)
    assert vendor.calls == ["r-7"]


async def test_an_order_that_is_under_way_is_kept_though_the_job_is_cancelled() -> None:
    handle, vendor = RecordingHandle(), Vendor()
    vendor.answered = asyncio.Event()
    running = asyncio.create_task(attempt(job(handle, Downloads()), vendor).film(TIMELINE))
    await vendor.asked.wait()
    running.cancel()
    asyncio.get_running_loop().call_soon(vendor.answered.set)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [kept(one) for one in handle.checkpoints] == ["r-1"]


async def test_a_stopping_worker_hands_back_and_keeps_the_render() -> None:
    handle, vendor = RecordingHandle(), Vendor()
    ctx = job(handle, Downloads(), "r-7", is_stopping=True)
    render = Render(ctx, vendor, poll=timedelta(minutes=1))
    with pytest.raises(RequeueLater):
        await render.film(TIMELINE)
    assert vendor.calls == ["r-7"]
    assert handle.checkpoints == []


async def test_a_stopping_worker_orders_nothing() -> None:
    vendor = Vendor()
    ctx = job(RecordingHandle(), Downloads(), is_stopping=True)
    with pytest.raises(RequeueLater):
        await attempt(ctx, vendor).film(TIMELINE)
    assert vendor.calls == []


@pytest.mark.parametrize(("age_s", "raised"), [(2, None), (6, ServiceError)])
async def test_a_shotstack_that_cannot_be_asked_never_ends_a_render(
    age_s: float, raised: type[Exception] | None
) -> None:
    """Within the limit it is asked again, after it by the next attempt: the film may lie ready."""
    handle = RecordingHandle()
    ctx = job(handle, Downloads(), "r-7")
    ctx.checkpoint_fields["ordered_at"] = time.time() - age_s
    away = ServiceError("Shotstack", "ask", "away", retryable=True)
    film = attempt(ctx, Vendor(away, DONE)).film(TIMELINE)
    if raised is None:
        await film
    else:
        with pytest.raises(raised):
            await film
    assert handle.checkpoints == [], "it is not forgotten"
