"""Shows that a film is being made, in its project's row."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

from bullmq_consumer.errors import ExpectedError
from services.bundle import Context
from services.supabase.projects import Project

# The app takes a row that is 15 minutes old for a failure. A write and its tries take some minute.
_EVERY = timedelta(minutes=2)


@asynccontextmanager
async def beating(
    ctx: Context, project: Project, every: timedelta = _EVERY
) -> AsyncGenerator[None]:
    """Move the row's `updated_at` during the block, every 2 minutes, whatever that waits for."""
    heart = asyncio.create_task(_beat(ctx, project, every))
    try:
        yield
    finally:
        heart.cancel()
        await asyncio.gather(heart, return_exceptions=True)


async def _beat(ctx: Context, project: Project, every: timedelta) -> None:
    while True:
        await asyncio.sleep(every.total_seconds())
        try:
            await ctx.services.projects.touch_composition(project.id)
        except ExpectedError as error:
            # The job itself meets it, too, where it matters.
            ctx.log.warning("The project could not be kept fresh: {}", error)
        except Exception:  # a defect of ours must not let the row grow old
            ctx.log.exception("The project could not be kept fresh, the next try is in {}", every)
