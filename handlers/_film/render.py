"""Makes a film by Shotstack: a render whose id is known is never ordered again."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import (
    PermanentError,
    ProviderDown,
    RequeueLater,
    ServiceError,
    TransientError,
    UnrecoverableError,
    UnsafeUrl,
    UnusableContent,
    is_transient,
)
from core.people import Cause
from core.timeline import Timeline
from handlers._film.patience import Patience
from services.bundle import Context
from services.films.kept import LIFE, KeptFilm
from services.films.renders import (
    Order,
    Rendered,
    RenderFailed,
    Rendering,
    State,
    UnknownRender,
)
from services.net.content import Kind
from services.storage.transfers import MAX_VIDEO_BYTES

if TYPE_CHECKING:
    from services.films.shotstack import Shotstack

# Shotstack takes about 20 s for a minute of video. An order is polled after 5, 10, and then each 15
# s, which are with itself 6 requests in its first minute: 50 films that are ordered at once just
# stay within 300 a minute and key, 25 within the 150 of a sandbox key.
_POLL = timedelta(seconds=5)
# From these ages of an order on, in seconds, the pause between polls is so many times as long.
_SLOWER = ((15.0, 3), (5.0, 2))
_LIMIT = timedelta(minutes=15)
_DEADLINE = timedelta(minutes=10)
# An order takes a second; who waits for another worker's has it soon.
_CLAIM_POLL = timedelta(seconds=1)

# The checkpoint's field that says that a render failed for lack of a source.
_LACKED_SOURCE = "lacked_source"

_PERCENT = {"queued": 42, "fetching": 48, "preprocessing": 54, "rendering": 60, "saving": 82}


@dataclass
class Render:
    """One attempt at the render of one film, whose order is `kept` by project.

    `limit` counts from the order, over all attempts, or from the job if that is younger.
    """

    ctx: Context
    shotstack: "Shotstack"
    kept: KeptFilm
    patience: Patience
    poll: timedelta = _POLL
    limit: timedelta = _LIMIT

    async def film(self, timeline: Timeline, order: Order | None) -> Path:
        """The rendered file, of `order` if there is one. Raises RequeueLater at a stop."""
        await self.ctx.progress(40, "Submitting Shotstack render...")
        film = await self._resumed(order)
        return film or await self._ordered(timeline)

    async def _resumed(self, order: Order | None) -> Path | None:
        """The film of an earlier order; None if there is none, or nobody knows it any more."""
        if order is None:
            return None
        self.ctx.log.info("Resuming the render {}", order.id)
        try:
            return await self._finish(order)
        except UnknownRender:
            await self.kept.forget(order)
            return None

    async def _ordered(self, timeline: Timeline) -> Path:
        """Order a render and return its film; an attempt never orders a second one."""
        order = await self._order(timeline)
        try:
            return await self._finish(order)
        except UnknownRender as error:
            found = f"The render was accepted, but is not known yet: {error}"
            raise TransientError(found, cause=Cause.NO_RESULT) from error

    async def _finish(self, order: Order) -> Path:
        rendered = await self._wait(order)
        await self.ctx.progress(88, "Downloading the rendered video...")
        film = await self._download(order, rendered.url)
        await self.patience.progressed()
        return film

    async def _order(self, timeline: Timeline) -> Order:
        """Order the render and keep its id, even when the job is cancelled: it is paid for.

        While another worker orders one for the project it is waited for.
        """
        while (before := await self.kept.claim()) is None:
            await self._pause(_CLAIM_POLL)
        placing = asyncio.create_task(self._place(timeline, before.order))
        try:
            return await asyncio.shield(placing)
        except asyncio.CancelledError:
            await asyncio.wait({placing})
            raise

    async def _place(self, timeline: Timeline, order: Order | None) -> Order:
        """Order it, under the claim, unless another worker has meanwhile."""
        async with self.kept.claimed():
            if self.ctx.is_stopping:
                raise RequeueLater
            if order is None:
                order = Order(await self.shotstack.submit(timeline.shotstack_edit()), time.time())
                await self.kept.keep(order)
        await self.patience.progressed()
        return order

    async def _state(self, order: Order) -> State:
        """The render's state; "unknown" while Shotstack is unreachable but may still render."""
        try:
            state = await self.shotstack.state(order.id)
        except (ServiceError, ProviderDown) as error:
            # Only a definite answer ends the wait: the film may be ready.
            if not is_transient(error) or self._is_overdue(order):
                raise
            self.ctx.log.warning("The render {} cannot be polled: {}", order.id, error)
            self.patience.check(error)
            return Rendering("unknown")
        await self.patience.progressed()
        return state

    async def _wait(self, order: Order) -> Rendered:
        while True:
            state = await self._state(order)
            match state:
                case Rendered():
                    return state
                case RenderFailed():
                    failure = await self._failure(state)  # before the order can be placed anew
                    await self.kept.forget(order)
                    raise failure
                case Rendering(stage=stage):
                    percent = _PERCENT.get(stage, 60)
                    await self.ctx.progress(percent, f"Rendering video ({stage})...")
            if self._is_overdue(order):
                # The order is kept: the next job finds a film that finished late.
                if _is_gone(order):
                    await self.kept.forget(order)
                found = f"Shotstack had not rendered the video after {self.limit}"
                raise PermanentError(found, cause=Cause.TOO_LONG)
            await self._pause(self.poll * slowness(order.age_s))

    async def _failure(self, state: RenderFailed) -> Exception:
        """The job's failure; one that another attempt may repair, once a job, by another order."""
        found = f"Shotstack could not render the video: {state.message}"
        if not state.lacks_source or self.ctx.checkpoint_fields.get(_LACKED_SOURCE):
            return PermanentError(found, cause=Cause.NO_RESULT)
        await self.ctx.checkpoint(**{_LACKED_SOURCE: True})
        return TransientError(found, cause=Cause.NO_RESULT)

    def _is_overdue(self, order: Order) -> bool:
        added_at = self.ctx.job.delivery.added_at or 0.0
        return time.time() - max(order.at, added_at) >= self.limit.total_seconds()

    async def _pause(self, pause: timedelta) -> None:
        """Wait until the next poll. Raises RequeueLater when the worker stops."""
        try:
            async with asyncio.timeout(pause.total_seconds()):
                await self.ctx.until_stopping()
        except TimeoutError:
            return
        raise RequeueLater

    async def _download(self, order: Order, url: str) -> Path:
        target = self.ctx.workdir / "rendered.mp4"
        try:
            await self.ctx.services.downloads.fetch(
                url, target, max_bytes=MAX_VIDEO_BYTES, accept=Kind.VIDEO, deadline=_DEADLINE
            )
        except UnsafeUrl as error:
            await self.kept.forget(order)
            found = f"Unsafe address of the rendered video: {error}"
            raise UnsafeUrl(found, cause=Cause.NO_RESULT) from error
        except UnusableContent as error:
            error.blame(Cause.NO_RESULT)
            await self.kept.forget(order)
            raise
        except UnrecoverableError as error:
            # The result is paid for: the next attempt requests its address again.
            if _is_gone(order):
                await self.kept.forget(order)
            found = f"The rendered video could not be fetched: {error}"
            raise TransientError(found, cause=Cause.NO_RESULT) from error
        return target


async def adopted(ctx: Context, kept: KeptFilm) -> Order | None:
    """The order that an earlier version of this worker kept with the job; from now on `kept`."""
    render, at = (ctx.checkpoint_fields.get(name) for name in ("render", "ordered_at"))
    if not isinstance(render, str):
        return None
    order = Order(render, at if isinstance(at, int | float) else time.time())
    await kept.keep(order)
    await ctx.checkpoint(render=None, ordered_at=None)
    return order


def slowness(age_s: float) -> int:
    """How many times as long as the first pause the next one is, by the age of the order."""
    return next((times for from_s, times in _SLOWER if age_s >= from_s), 1)


def _is_gone(order: Order) -> bool:
    """Whether Shotstack has deleted the film."""
    return order.age_s > LIFE.total_seconds()
