"""In which order a storyboard job buys, keeps, writes and looks."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.deadline import Deadline
from core.storyboard.script import Character, Shot
from handlers._storyboard.batch import StoryboardBatch
from handlers._storyboard.buying import PictureBrief
from handlers._storyboard.downloads import PictureDownloads
from handlers._storyboard.rows import JobRows
from services.images.base import GeneratedImage, ImageBytes, ImageRequest, ImageUrl
from services.supabase.storyboards import Picture, StoryboardRow
from tests.support.handle import RecordingHandle, context

USER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
TURNS = 50


async def slowly() -> None:
    """All others get many turns."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


@dataclass
class Outside:
    """Provider, database and queue, each of which notes what it did when it is done."""

    rows: dict[str, StoryboardRow]
    max_references: int = 14
    done: list[str] = field(default_factory=list[str])

    async def generate(self, request: ImageRequest) -> GeneratedImage:
        shot = "2" if "SHOT-2" in request.prompt else "1"
        self.done.append(f"buy {shot}")
        return ImageUrl(f"https://a/{shot}")

    async def by_ids(self, project_id: str, ids: Sequence[str]) -> list[StoryboardRow]:
        return [self.rows[one] for one in ids]

    async def current(self, project_id: str) -> list[StoryboardRow]:
        return list(self.rows.values())

    async def succeed(self, row_id: str, **fields: Any) -> StoryboardRow:
        written = self.rows[row_id].model_copy(update={**fields, "status": "success"})
        await slowly()
        self.rows[row_id] = written
        self.done.append(f"write {written.shot_number}")
        return written

    async def update(self, project_id: str, **fields: Any) -> None:
        self.done.append(f"project {fields['step_3_status']}")


class MeetingLink(RecordingHandle):
    """Once a picture was bought, no checkpoint is saved before the next purchase is in one, too."""

    def __init__(self) -> None:
        super().__init__()
        self._is_recorded = asyncio.Event()

    async def save_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        if "2" in checkpoint["asked"]:
            self._is_recorded.set()
        if checkpoint["bought"]:
            async with asyncio.timeout(60):
                await self._is_recorded.wait()


class NoAnswer(Outside):
    """The provider has the order, and does not answer."""

    async def generate(self, request: ImageRequest) -> GeneratedImage:
        self.done.append("buy")
        await asyncio.Event().wait()
        raise AssertionError


@dataclass
class SmallRequests(Outside):
    """The provider takes two references less than it is asked with, and answers with bytes."""

    used: list[str] = field(default_factory=list[str])

    async def generate(self, request: ImageRequest) -> GeneratedImage:
        return ImageBytes(b"picture", "image/png", left_out=2)

    async def store(
        self, picture: Picture, user_id: str, row: StoryboardRow, row_id: str, **fields: Any
    ) -> None:
        self.used = fields["used_character_ids"]
        self.rows[row_id] = row.model_copy(update={"status": fields["status"]})


class SlowLink(RecordingHandle):
    """Saving takes longer than all else."""

    def __init__(self, outside: Outside) -> None:
        super().__init__()
        self._done = outside.done

    async def save_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        await slowly()
        self._done.append(f"keep {','.join(checkpoint['bought'])}")


def outside_of(shots: int) -> Outside:
    rows = [
        StoryboardRow(id=f"r{n}", project_id="p", shot_number=n, status="generating")
        for n in range(1, shots + 1)
    ]
    return Outside({row.id: row for row in rows})


async def run(
    outside: Outside,
    handle: RecordingHandle,
    at_once: int,
    stopping: asyncio.Event | None = None,
    *,
    workdir: Path = Path(),
    characters: tuple[Character, ...] = (),
) -> str:
    services = SimpleNamespace(
        settings=SimpleNamespace(storyboard_concurrency=at_once),
        images=outside,
        storyboards=outside,
        projects=outside,
        downloads=SimpleNamespace(check=lambda url: None),
        scrub=str,
    )
    ctx = context(handle, workdir, services=services, stopping=stopping)
    rows = list(outside.rows.values())
    shots = [
        Shot.model_validate({"shot_number": row.shot_number, "description": f"SHOT-{row.id[1:]}"})
        for row in rows
    ]
    async with PictureDownloads(ctx, USER) as downloads:
        batch = StoryboardBatch(
            ctx=ctx,
            project_id="p",
            user_id=USER,
            shots=shots,
            brief=PictureBrief(characters, None, "16:9"),
            rows=JobRows(ctx, "p", rows, {row.id: row.shot_number for row in rows}),
            downloads=downloads,
            deadline=Deadline(time.time()),
        )
        await batch.generate()
        return await batch.finish()


async def test_a_slot_buys_the_next_picture_when_its_last_one_is_kept() -> None:
    outside = outside_of(2)
    handle = SlowLink(outside)
    assert await run(outside, handle, at_once=1) == "completed"
    assert outside.done.index("keep 1") < outside.done.index("buy 2")
    assert outside.done.index("keep 1") < outside.done.index("write 1")


async def test_the_next_purchase_is_recorded_while_the_last_picture_is_saved() -> None:
    outside = outside_of(2)
    assert await run(outside, MeetingLink(), at_once=1) == "completed"


async def test_a_slot_does_not_wait_for_the_row_of_its_last_picture() -> None:
    outside = outside_of(2)
    assert await run(outside, RecordingHandle(), at_once=1) == "completed"
    assert outside.done == ["buy 1", "buy 2", "write 1", "write 2", "project completed"]


async def test_the_project_is_completed_after_its_last_row() -> None:
    outside = outside_of(2)
    assert await run(outside, SlowLink(outside), at_once=2) == "completed"
    assert outside.done[-1] == "project completed"
    assert {"write 1", "write 2"} < set(outside.done)


@pytest.mark.parametrize(("is_stop", "asked"), [(True, {}), (False, {"1": 1})])
async def test_a_purchase_that_is_cut_off_counts_unless_the_worker_stops(
    is_stop: bool, asked: dict[str, int]
) -> None:
    """Else another worker has the job by now: it may buy once more, and not twice."""
    outside, handle, stopping = NoAnswer(outside_of(1).rows), RecordingHandle(), asyncio.Event()
    running = asyncio.create_task(run(outside, handle, at_once=1, stopping=stopping))
    await slowly()
    assert outside.done == ["buy"]
    handle.fence.is_lost = not is_stop
    if is_stop:
        stopping.set()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert handle.checkpoints[-1]["asked"] == asked


async def test_characters_whose_references_were_left_out_are_not_said_to_be_used(
    tmp_path: Path,
) -> None:
    images = ("https://x.example.com/a.png",)
    ids = ("a", None, "b", "c", "d")
    characters = tuple(
        Character(id=one, name=f"Cat {number}", reference_images=images)
        for number, one in enumerate(ids)
    )
    outside = SmallRequests(outside_of(1).rows)
    ended = await run(outside, RecordingHandle(), 1, workdir=tmp_path, characters=characters)
    assert (ended, outside.used) == ("completed", ["a", "b"])
