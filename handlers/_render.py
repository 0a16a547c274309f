"""One film by Shotstack: a render whose id is known is never ordered again."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from core.errors import HandBack, PermanentError, RetryableError, UnsafeUrl
from core.timeline import Timeline
from services.bundle import Context
from services.content import Kind
from services.shotstack import Rendered, RenderFailed, Rendering, Shotstack, State, UnknownRender

# Shotstack takes about 20 s for a minute of video and lets a key ask 300 times a minute.
_POLL = timedelta(seconds=5)
_LIMIT = timedelta(minutes=15)
# The limit of the `user-videos` bucket.
_MAX_BYTES = 5 * 1024 * 1024 * 1024
_DEADLINE = timedelta(minutes=10)

_PERCENT = {"queued": 42, "fetching": 48, "preprocessing": 54, "rendering": 60, "saving": 82}


@dataclass
class Render:
    """One attempt at the render of one job; its id is kept in the checkpoint as `render`."""

    ctx: Context
    shotstack: Shotstack
    poll: timedelta = _POLL
    limit: timedelta = _LIMIT

    async def film(self, timeline: Timeline) -> Path:
        """The rendered file. Raises HandBack when the worker stops."""
        await self.ctx.progress(40, "Submitting Shotstack render...")
        rendered = await self._resumed() or await self._wait(await self._order(timeline))
        await self.ctx.progress(88, "Downloading the rendered video...")
        return await self._download(rendered.url)

    async def _resumed(self) -> Rendered | None:
        """The result of the render that an earlier delivery ordered; None if there is none."""
        render_id = self.ctx.checkpoint_fields.get("render")
        if not isinstance(render_id, str):
            return None
        self.ctx.log.info("Resuming the render {}", render_id)
        try:
            return await self._wait(render_id)
        except UnknownRender:
            await self._forget()
            return None

    async def _order(self, timeline: Timeline) -> str:
        if self.ctx.stopping.is_set():
            raise HandBack
        render_id = await self.shotstack.submit(timeline.shotstack_edit())
        await self.ctx.checkpoint(render=render_id)
        return render_id

    async def _wait(self, render_id: str) -> Rendered:
        ends = time.monotonic() + self.limit.total_seconds()
        while True:
            state = await self.shotstack.state(render_id)
            match state:
                case Rendered():
                    return state
                case RenderFailed(message=message):
                    await self._forget()
                    raise PermanentError(f"Shotstack could not render the video: {message}")
                case Rendering():
                    await self._report(state)
            if time.monotonic() >= ends:
                raise RetryableError(f"The render was not ready after {self.limit}")
            await self._pause()

    async def _pause(self) -> None:
        """Wait until it is time to ask again. Raises HandBack when the worker stops."""
        try:
            async with asyncio.timeout(self.poll.total_seconds()):
                await self.ctx.stopping.wait()
        except TimeoutError:
            return
        raise HandBack

    async def _report(self, state: State) -> None:
        if isinstance(state, Rendering):
            percent = _PERCENT.get(state.stage, 60)
            await self.ctx.progress(percent, f"Rendering video ({state.stage})...")

    async def _download(self, url: str) -> Path:
        target = self.ctx.workdir / "rendered.mp4"
        try:
            await self.ctx.services.downloads.fetch(
                url, target, max_bytes=_MAX_BYTES, accept=Kind.VIDEO, deadline=_DEADLINE
            )
        except UnsafeUrl as error:
            await self._forget()
            raise UnsafeUrl(f"Unsafe address of the rendered video: {error}") from error
        except PermanentError:
            # Results live 24 h: one that is gone has to be rendered anew.
            await self._forget()
            raise
        return target

    async def _forget(self) -> None:
        await self.ctx.checkpoint(render=None)
