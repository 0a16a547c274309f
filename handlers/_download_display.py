"""Shows a video's download progress to its user: in the app and in its row."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from core.errors import ProviderDown, RetryableError, ServiceError
from core.paths import PlainId
from services.bundle import Context
from services.storage.transfers import Transfer

# Steps of 2 make at most 51 events of one download, steps of 5 at most 20 updates of its row.
_EVENT_STEP = 2
_ROW_STEP = 5
_LOOK_EVERY_S = 0.25
_ROW_EVERY_S = 1.0

# The download is this part of the job's own percentage.
_BEGIN, _END = 10, 90


class _Display:
    """Follows one transfer. Percentages never fall, even if an upload starts over."""

    def __init__(self, ctx: Context, video_id: PlainId, transfer: Transfer) -> None:
        self._ctx = ctx
        self._video_id = video_id
        self._transfer = transfer
        self._shown = -_EVENT_STEP
        self._in_row = 0
        self._row_at = time.monotonic()

    async def run(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            await self._look()
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await ended.wait()
            except TimeoutError:
                continue

    async def _look(self) -> None:
        percent = self._transfer.percent
        if percent >= self._shown + _EVENT_STEP:
            self._shown = percent
            await show(self._ctx, percent)
        is_due = time.monotonic() - self._row_at >= _ROW_EVERY_S
        if is_due and percent >= self._in_row + _ROW_STEP:
            self._in_row = percent
            await self._update_row(percent)
            self._row_at = time.monotonic()

    async def _update_row(self, percent: int) -> None:
        try:
            await self._ctx.services.videos.update_download(
                self._video_id, download_progress=percent
            )
        except (ServiceError, ProviderDown, RetryableError) as error:  # the next may succeed
            self._ctx.log.warning("The download's progress was not written: {}", error)


async def show(ctx: Context, percent: int) -> None:
    """Report the download's percentage to the app."""
    await ctx.progress(_BEGIN + percent * (_END - _BEGIN) // 100, f"Downloading... {percent}%")


@asynccontextmanager
async def displayed(ctx: Context, video_id: PlainId, transfer: Transfer) -> AsyncGenerator[None]:
    """Show the transfer while it runs. All updates have ended when this exits."""
    ended = asyncio.Event()
    running = asyncio.create_task(_Display(ctx, video_id, transfer).run(ended))
    try:
        yield
    finally:
        ended.set()
        await running
