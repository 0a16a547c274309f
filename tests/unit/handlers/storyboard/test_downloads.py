"""When the downloads of a storyboard job's pictures are added."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from bullmq_consumer.new_job import NewJob
from handlers._storyboard.downloads import PictureDownloads
from services.supabase.storyboards import StoryboardRow
from tests.support.handle import RecordingHandle, context

USER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def row(number: int, **fields: object) -> StoryboardRow:
    known = {"status": "success", "storage_status": "pending", "image_url_external": "https://a"}
    identity = {"id": f"r{number}", "project_id": "p", "shot_number": number}
    return StoryboardRow.model_validate({**identity, **known, **fields})


def shots(handle: RecordingHandle) -> list[int]:
    return [job.data["shotNumber"] for job in handle.added]


@dataclass
class BrokenOnce(RecordingHandle):
    """A queue that is away when the first job comes."""

    is_away: bool = True

    async def add_jobs(self, jobs: Sequence[NewJob]) -> None:
        if self.is_away:
            self.is_away = False
            raise ConnectionError("Redis is away")
        await super().add_jobs(jobs)


async def test_the_end_adds_only_what_was_not_added() -> None:
    handle = RecordingHandle()
    async with PictureDownloads(context(handle), USER) as downloads:
        downloads.add_soon(row(1))
        await downloads.add_left([row(1), row(2), row(3, storage_status="completed")])
    assert shots(handle) == [1, 2]


async def test_what_the_queue_did_not_take_is_added_at_the_end() -> None:
    """Of a row, too, that a read beside its writing has not seen as written."""
    handle = BrokenOnce()
    async with PictureDownloads(context(handle), USER) as downloads:
        downloads.add_soon(row(1))
        await downloads.add_left([row(1, status="generating")])
    assert shots(handle) == [1]


async def test_what_the_end_cannot_add_fails_the_attempt() -> None:
    async with PictureDownloads(context(BrokenOnce()), USER) as downloads:
        with pytest.raises(ConnectionError):
            await downloads.add_left([row(1)])


async def test_leaving_waits_for_what_is_being_added() -> None:
    handle = RecordingHandle()
    async with PictureDownloads(context(handle), USER) as downloads:
        downloads.add_soon(row(1))
    assert shots(handle) == [1]


async def test_a_picture_that_is_not_current_is_not_stored() -> None:
    handle = RecordingHandle()
    async with PictureDownloads(context(handle), USER) as downloads:
        downloads.add_soon(row(1, is_current=False))
    assert shots(handle) == []
