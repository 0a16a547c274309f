"""Makes a film by Shotstack: a render whose id is known is never ordered again."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from services.bundle import Context
from services.films.renders import Rendered, RenderFailed, Rendering, State, UnknownRender
from services.net.content import Kind
from services.storage.transfers import MAX_VIDEO_BYTES

if TYPE_CHECKING:
    from services.films.shotstack import Shotstack

# Shotstack takes about 20 s for a minute of video and allows 300 requests a minute per key.
_POLL = timedelta(seconds=5)
_LIMIT = timedelta(minutes=15)
_DEADLINE = timedelta(minutes=10)

# How long Shotstack keeps results.
_RESULT_LIFE_S = 24 * 3600

_PERCENT = {"queued": 42, "fetching": 48, "preprocessing": 54, "rendering": 60, "saving": 82}


@dataclass(frozen=True, slots=True)
class _Order:
    """A render that was paid for; `at` in seconds since the epoch."""

    id: str
    at: float

    @property
    def age_s(self) -> float:
        return time.time() - self.at


@dataclass
class Render:
    """One attempt at the render of one job, whose order is kept in the checkpoint.

    `limit` counts from the order, over all attempts.
    """

    ctx: Context
    shotstack: "Shotstack"
    poll: timedelta = _POLL
    limit: timedelta = _LIMIT

    async def film(self, timeline: Timeline) -> Path:
        """The rendered file. Raises RequeueLater when the worker stops."""
        await self.ctx.progress(40, "Submitting Shotstack render...")
        film = await self._resumed()
        return film or await self._ordered(timeline)

    async def _resumed(self) -> Path | None:
        """The film of the render that an earlier delivery ordered; None if there is none."""
        order = _order_of(self.ctx.checkpoint_fields)
        if order is None:
            return None
        self.ctx.log.info("Resuming the render {}", order.id)
        try:
            return await self._finish(order)
        except UnknownRender:
            await self._forget()
            return None

    async def _ordered(self, timeline: Timeline) -> Path:
        """Order a render and return its film; an attempt never orders a second one."""
        order = await self._order(timeline)
        try:
            return await self._finish(order)
        except UnknownRender as error:
            found = f"The render was accepted, but is not known yet: {error}"
            raise TransientError(found, cause=Cause.NO_RESULT) from error

    async def _finish(self, order: _Order) -> Path:
        rendered = await self._wait(order)
        await self.ctx.progress(88, "Downloading the rendered video...")
        return await self._download(order, rendered.url)

    async def _order(self, timeline: Timeline) -> _Order:
        """Order the render and save its id, even when the job is cancelled: it is paid for."""
        if self.ctx.is_stopping:
            raise RequeueLater
        placing = asyncio.create_task(self._place(timeline))
        try:
            return await asyncio.shield(placing)
        except asyncio.CancelledError:
            await asyncio.wait({placing})
            raise

    async def _place(self, timeline: Timeline) -> _Order:
        order = _Order(await self.shotstack.submit(timeline.shotstack_edit()), time.time())
        await self.ctx.checkpoint(render=order.id, ordered_at=order.at)
        return order

    async def _state(self, order: _Order) -> State:
        """The render's state; "unknown" while Shotstack is unreachable but may still render."""
        try:
            return await self.shotstack.state(order.id)
        except (ServiceError, ProviderDown) as error:
            # Only a definite answer ends the wait: the film may be ready.
            if not is_transient(error) or self._is_overdue(order):
                raise
            self.ctx.log.warning("The render {} cannot be polled: {}", order.id, error)
            return Rendering("unknown")

    async def _wait(self, order: _Order) -> Rendered:
        while True:
            state = await self._state(order)
            match state:
                case Rendered():
                    return state
                case RenderFailed(message=message):
                    await self._forget()
                    found = f"Shotstack could not render the video: {message}"
                    raise PermanentError(found, cause=Cause.NO_RESULT)
                case Rendering(stage=stage):
                    percent = _PERCENT.get(stage, 60)
                    await self.ctx.progress(percent, f"Rendering video ({stage})...")
            if self._is_overdue(order):
                # The order is kept: a retry of the job finds a film that finished late.
                if order.age_s > _RESULT_LIFE_S:
                    await self._forget()
                found = f"Shotstack had not rendered the video after {self.limit}"
                raise PermanentError(found, cause=Cause.TOO_LONG)
            await self._pause()

    def _is_overdue(self, order: _Order) -> bool:
        return order.age_s >= self.limit.total_seconds()

    async def _pause(self) -> None:
        """Wait until the next poll. Raises RequeueLater when the worker stops."""
        try:
            async with asyncio.timeout(self.poll.total_seconds()):
                await self.ctx.until_stopping()
        except TimeoutError:
            return
        raise RequeueLater

    async def _download(self, order: _Order, url: str) -> Path:
        target = self.ctx.workdir / "rendered.mp4"
        try:
            await self.ctx.services.downloads.fetch(
                url, target, max_bytes=MAX_VIDEO_BYTES, accept=Kind.VIDEO, deadline=_DEADLINE
            )
        except UnsafeUrl as error:
            await self._forget()
            found = f"Unsafe address of the rendered video: {error}"
            raise UnsafeUrl(found, cause=Cause.NO_RESULT) from error
        except UnusableContent as error:
            error.blame(Cause.NO_RESULT)
            await self._forget()
            raise
        except UnrecoverableError as error:
            # The result is paid for: the next attempt requests its address again.
            if order.age_s > _RESULT_LIFE_S:
                await self._forget()
            found = f"The rendered video could not be fetched: {error}"
            raise TransientError(found, cause=Cause.NO_RESULT) from error
        return target

    async def _forget(self) -> None:
        await self.ctx.checkpoint(render=None, ordered_at=None)


def _order_of(checkpoint: Mapping[str, Any]) -> _Order | None:
    render_id, at = checkpoint.get("render"), checkpoint.get("ordered_at")
    if not isinstance(render_id, str):
        return None
    return _Order(render_id, at if isinstance(at, int | float) else time.time())
