import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.deadline import WaitedTooLong
from core.errors import (
    JobError,
    PermanentError,
    RequeueLater,
    RetryableError,
    ServiceError,
    TransientError,
    UnrecoverableError,
    UnsafeUrl,
    UnusableContent,
)
from core.jobs.context import JobContext
from core.timeline import Scene, Timeline
from handlers._film.patience import Patience
from handlers._film.render import Render, adopted, slowness
from services.films.kept import Kept
from services.films.renders import (
    Order,
    Rendered,
    RenderFailed,
    Rendering,
    State,
    UnknownRender,
)
from tests.support.handle import RecordingHandle, context

TIMELINE = Timeline((Scene(1, "https://x.example/a.mp4", 0, 4),), "16:9")
DONE = Rendered("https://cdn.example/film.mp4")
AWAY = ServiceError("Shotstack", "ask", "away", retryable=True)


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


class Here:
    """What is kept of the film, in memory; `kept` are the ids as they changed."""

    def __init__(self, order: Order | None = None, *, busy: int = 0) -> None:
        self.order = order
        self.busy = busy
        self.meanwhile: Order | None = None
        self.kept: list[str | None] = []
        self.refused = asyncio.Event()

    async def claim(self) -> Kept | None:
        self.busy -= 1
        if self.busy < 0 and self.meanwhile is not None:
            self.order = self.meanwhile
        if self.busy >= 0:
            self.refused.set()
            return None
        return Kept(self.order)

    @asynccontextmanager
    async def claimed(self) -> AsyncGenerator[None]:
        yield

    async def keep(self, order: Order) -> None:
        self.order = order
        self.kept.append(order.id)

    async def forget(self, order: Order) -> None:
        assert self.order is None or self.order == order
        self.order = None
        self.kept.append(None)


def ordered(age_s: float = 0) -> Order:
    return Order("r-7", time.time() - age_s)


def job(
    handle: RecordingHandle | None = None,
    downloads: Downloads | None = None,
    *,
    is_stopping: bool = False,
    added_s_ago: float | None = None,
) -> JobContext[Any]:
    services = SimpleNamespace(downloads=downloads or Downloads())
    stopping = asyncio.Event()
    if is_stopping:
        stopping.set()
    added_at = None if added_s_ago is None else time.time() - added_s_ago
    return context(
        handle or RecordingHandle(), services=services, stopping=stopping, added_at=added_at
    )


async def film(
    ctx: JobContext[Any], vendor: Any, here: Here, poll: timedelta = timedelta(0)
) -> Path:
    """One attempt at the film, which goes on with what is kept of it."""
    kept: Any = here
    render = Render(ctx, vendor, kept, Patience(ctx), poll=poll, limit=timedelta(seconds=5))
    return await render.film(TIMELINE, here.order)


async def test_the_id_is_kept_before_the_first_question() -> None:
    handle, downloads, here = RecordingHandle(), Downloads(), Here()
    vendor = Vendor(Rendering("queued"), DONE)
    await film(job(handle, downloads), vendor, here)
    assert here.kept == ["r-1"]
    assert vendor.calls == ["submit", "r-1", "r-1"]
    assert downloads.fetched == [DONE.url]
    assert [one["percent"] for one in handle.progress] == [40, 42, 88]


async def test_a_kept_id_is_resumed() -> None:
    here, vendor = Here(ordered()), Vendor(DONE)
    await film(job(), vendor, here)
    assert vendor.calls == ["r-7"]
    assert here.kept == []


async def test_an_unknown_id_is_forgotten_and_another_render_ordered() -> None:
    here, vendor = Here(ordered()), Vendor(UnknownRender("gone"), DONE)
    await film(job(), vendor, here)
    assert vendor.calls == ["r-7", "submit", "r-1"]
    assert here.kept == [None, "r-1"]


async def test_an_order_that_is_unknown_at_once_is_kept_and_not_repeated() -> None:
    """The next attempt asks again, and orders anew if it has to."""
    here, vendor = Here(), Vendor(UnknownRender("gone"))
    with pytest.raises(RetryableError, match="not known yet"):
        await film(job(), vendor, here)
    assert vendor.calls == ["submit", "r-1"]
    assert here.kept == ["r-1"]


async def test_a_failed_render_is_forgotten_and_final() -> None:
    here = Here()
    with pytest.raises(UnrecoverableError, match="could not render the video: no luck"):
        await film(job(), Vendor(RenderFailed("no luck")), here)
    assert here.kept == ["r-1", None]


NOT_FETCHED = RenderFailed("Failed to download https://x.example/a.mp4")


async def test_a_render_that_lacked_a_source_is_ordered_again_by_the_next_attempt() -> None:
    """And once a job: the source may be gone for good."""
    here, ctx = Here(), job()
    with pytest.raises(TransientError, match="could not render the video: Failed to download"):
        await film(ctx, Vendor(NOT_FETCHED), here)
    assert here.kept == ["r-1", None]
    vendor = Vendor(NOT_FETCHED)
    with pytest.raises(PermanentError, match="could not render the video: Failed to download"):
        await film(ctx, vendor, here)
    assert vendor.calls == ["submit", "r-1"]
    assert here.kept == ["r-1", None, "r-1", None]


async def test_another_render_may_find_the_source_that_the_first_one_lacked() -> None:
    here, ctx = Here(), job()
    with pytest.raises(TransientError):
        await film(ctx, Vendor(NOT_FETCHED), here)
    await film(ctx, Vendor(DONE), here)
    assert here.kept == ["r-1", None, "r-1"]


def requests_in_the_first_minute() -> int:
    """The order, and its polls, if their answers take no time."""
    asked, age_s = 1, 0.0
    while age_s < 60:
        asked += 1
        age_s += 5 * slowness(age_s)
    return asked


def test_fifty_films_at_once_stay_within_shotstacks_limit() -> None:
    """300 requests a minute and key, of a sandbox key 150."""
    assert 50 * requests_in_the_first_minute() <= 300
    assert 25 * requests_in_the_first_minute() <= 150
    assert 60 / (5 * slowness(60)) <= 4, "and later they ask less often"


@pytest.mark.parametrize("error", [UnusableContent("x"), UnsafeUrl("x")])
async def test_a_result_that_is_no_film_is_forgotten(error: UnrecoverableError) -> None:
    here = Here()
    with pytest.raises(type(error)):
        await film(job(downloads=Downloads(error)), Vendor(DONE), here)
    assert here.kept == ["r-1", None]


@pytest.mark.parametrize("error", [RetryableError("lost"), UnrecoverableError("403 Forbidden")])
async def test_a_result_that_cannot_be_fetched_now_is_kept(error: JobError) -> None:
    """It was paid for; the next attempt asks for its address anew."""
    here = Here()
    with pytest.raises(RetryableError):
        await film(job(downloads=Downloads(error)), Vendor(DONE), here)
    assert here.kept == ["r-1"]


async def test_a_result_of_yesterday_is_rendered_anew() -> None:
    here = Here(ordered(25 * 3600))
    with pytest.raises(RetryableError):
        await film(job(downloads=Downloads(UnrecoverableError("404"))), Vendor(DONE), here)
    assert here.kept == [None]


@pytest.mark.parametrize(("age_s", "kept"), [(6, []), (25 * 3600, [None])])
async def test_the_limit_counts_from_the_order_over_all_attempts(
    age_s: float, kept: list[str | None]
) -> None:
    """It ends the job, not the order, whose film lives a day."""
    here, vendor = Here(ordered(age_s)), Vendor()
    with pytest.raises(UnrecoverableError, match="had not rendered the video after 0:00:05"):
        await film(job(), vendor, here)
    assert vendor.calls == ["r-7"]
    assert here.kept == kept


async def test_a_younger_job_waits_for_as_long_as_the_first_one_did() -> None:
    """Its person has just begun to wait."""
    here, vendor = Here(ordered(60)), Vendor(Rendering("saving"), DONE)
    await film(job(added_s_ago=0), vendor, here)
    assert vendor.calls == ["r-7", "r-7"]


async def test_a_render_that_ended_while_nobody_looked_is_used() -> None:
    vendor = Vendor(DONE)
    await film(job(), vendor, Here(ordered(3600)))
    assert vendor.calls == ["r-7"]


async def test_an_order_that_is_under_way_is_kept_though_the_job_is_cancelled() -> None:
    here, vendor = Here(), Vendor()
    vendor.answered = asyncio.Event()
    running = asyncio.create_task(film(job(), vendor, here))
    await vendor.asked.wait()
    running.cancel()
    asyncio.get_running_loop().call_soon(vendor.answered.set)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert here.kept == ["r-1"]


async def test_an_order_that_another_worker_places_is_waited_for_and_used() -> None:
    here, vendor = Here(busy=1), Vendor(DONE)
    here.meanwhile = ordered()
    await film(job(), vendor, here)
    assert vendor.calls == ["r-7"]
    assert here.kept == []


async def test_a_job_that_is_cancelled_while_another_worker_orders_orders_nothing() -> None:
    here, vendor = Here(busy=1000), Vendor()
    running = asyncio.create_task(film(job(), vendor, here))
    await here.refused.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert vendor.calls == []


async def test_a_stopping_worker_hands_back_and_keeps_the_render() -> None:
    here, vendor = Here(ordered()), Vendor()
    with pytest.raises(RequeueLater):
        await film(job(is_stopping=True), vendor, here, poll=timedelta(minutes=1))
    assert vendor.calls == ["r-7"]
    assert here.kept == []


async def test_a_stopping_worker_orders_nothing() -> None:
    vendor = Vendor()
    with pytest.raises(RequeueLater):
        await film(job(is_stopping=True), vendor, Here())
    assert vendor.calls == []


@pytest.mark.parametrize(("age_s", "raised"), [(2, None), (6, ServiceError)])
async def test_a_shotstack_that_cannot_be_asked_never_ends_a_render(
    age_s: float, raised: type[Exception] | None
) -> None:
    """Within the limit it is asked again, after it by the next attempt: the film may lie ready."""
    here = Here(ordered(age_s))
    making = film(job(), Vendor(AWAY, DONE), here)
    if raised is None:
        await making
    else:
        with pytest.raises(raised):
            await making
    assert here.kept == [], "it is not forgotten"


async def test_a_shotstack_that_cannot_be_asked_ends_a_job_whose_person_stops_waiting() -> None:
    """After 12 minutes in all, and 3 without an answer; the film may still lie ready tomorrow."""
    ctx, here, vendor = job(added_s_ago=721), Here(ordered(2)), Vendor(AWAY)
    ctx.checkpoint_fields["progressed_at"] = time.time() - 181
    with pytest.raises(WaitedTooLong):
        await film(ctx, vendor, here)
    assert vendor.calls == ["r-7"]
    assert here.kept == []


async def test_an_order_of_an_earlier_version_goes_on() -> None:
    """It was kept with the job."""
    handle, here = RecordingHandle(), Here()
    ctx = job(handle)
    ctx.checkpoint_fields.update(render="r-5", ordered_at=7.5)
    kept: Any = here
    assert await adopted(ctx, kept) == Order("r-5", 7.5)
    assert here.kept == ["r-5"]
    assert handle.checkpoints == [{"render": None, "ordered_at": None}]
    assert await adopted(ctx, kept) is None
