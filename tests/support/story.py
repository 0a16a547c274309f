"""What services tell meanwhile, as it is written into the log of the job."""

import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from bullmq_consumer.delivery import Delivery
from bullmq_consumer.outcome import Done
from runtime.job_story import JobStory
from tests.support.handle import RecordingHandle

DELIVERY = Delivery("job-1", "some_job", {}, attempts_made=0, attempts=3)


@asynccontextmanager
async def telling() -> AsyncGenerator[list[str]]:
    """An attempt that does what the block does; its lines are there at the end."""
    lines: list[str] = []
    handle = RecordingHandle()
    story = JobStory(DELIVERY, handle, str)
    with story.told():
        yield lines
    await story.end(Done(None))
    lines += handle.lines[1:-1]  # between its beginning and its end


def untimed(lines: Iterable[str]) -> list[str]:
    """Without how long things took."""
    return [re.sub(r" (?:\(\d+\.\d s\)|in \d+ s)$", "", line) for line in lines]
