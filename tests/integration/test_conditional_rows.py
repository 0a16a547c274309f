"""Rows are written only while they are what was read: the second writer takes nothing back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from config.settings import load_settings
from sandbox.vidfab import VidFab
from services.bundle import Services
from services.supabase.clips import ClipRow
from tests.support.recordings import PROJECT, USER, row_id
from tests.support.stored_videos import VIDEO, clip_row, lay_clip, lay_video, video_row
from tests.support.storyboards import generated


@pytest.fixture
async def services(vidfab: VidFab, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Services]:
    for name, value in vidfab.settings("q").items():
        monkeypatch.setenv(name, value)
    services = Services(load_settings(None))
    yield services
    await services.aclose()


async def test_a_deleted_video_stays_deleted(vidfab: VidFab, services: Services) -> None:
    await lay_video(vidfab, status="deleted")
    await services.videos.update(VIDEO, status="completed")
    await services.videos.update_download(VIDEO, status="downloading")
    assert (await video_row(vidfab))["status"] == "deleted"


@pytest.mark.parametrize(
    ("row", "is_written"),
    [
        ({"status": "generating"}, True),
        ({"status": "downloading"}, True),
        ({"status": "failed", "storage_path": "old"}, True),
        ({"status": "completed", "storage_path": None}, True),
        ({"status": "processing", "storage_path": "kept"}, False),
        ({"status": "completed", "storage_path": "kept"}, False),
    ],
)
async def test_a_stored_video_is_not_downloaded_over(
    vidfab: VidFab, services: Services, row: dict[str, Any], is_written: bool
) -> None:
    await lay_video(vidfab, **row)
    await services.videos.update_download(VIDEO, storage_path="new")
    assert ((await video_row(vidfab))["storage_path"] == "new") == is_written


async def test_a_picture_that_is_there_is_not_replaced(vidfab: VidFab, services: Services) -> None:
    await lay_clip(vidfab)
    await vidfab.supabase.insert("project_storyboards", [generated(1, "https://a", "completed")])
    await services.storyboards.succeed(row_id(1), image_url="https://b", storage_status="pending")
    [row] = await vidfab.supabase.rows("project_storyboards")
    assert (row["image_url"], row["storage_status"]) == ("https://a", "completed")


async def test_a_clip_that_was_ordered_anew_is_not_settled(
    vidfab: VidFab, services: Services
) -> None:
    await lay_clip(vidfab, status="generating", seedance_task_id="new", storage_status=None)
    row = ClipRow.model_validate(await clip_row(vidfab))
    old = row.model_copy(update={"seedance_task_id": "old"})
    assert not await services.clips.finish(old, status="failed")
    await services.clips.update(old, storage_status="failed")
    assert ClipRow.model_validate(await clip_row(vidfab)) == row
    assert await services.clips.finish(row, status="success")
    assert not await services.clips.finish(row, status="failed"), "it is at its end"


async def test_a_step_is_completed_only_of_the_project_that_was_read(
    vidfab: VidFab, services: Services
) -> None:
    """A person who orders a clip again changes the project, too."""
    await lay_clip(vidfab)
    read = await services.projects.owned(PROJECT, USER)
    again = {"step_4_status": "processing"}
    await vidfab.supabase.update("video_agent_projects", again, id=f"eq.{PROJECT}")
    assert not await services.projects.update_unchanged(read, step_4_status="completed")
    now = await services.projects.owned(PROJECT, USER)
    assert now.step_4_status == "processing"
    assert await services.projects.update_unchanged(now, step_4_status="completed")
    assert (await services.projects.owned(PROJECT, USER)).step_4_status == "completed"


@pytest.mark.parametrize(("step", "found"), [("completed", "completed"), (None, "failed")])
async def test_a_finished_film_stays_finished(
    vidfab: VidFab, services: Services, step: str | None, found: str
) -> None:
    await lay_clip(vidfab)
    finished = {"status": "completed", "step_6_status": step}
    await vidfab.supabase.update("video_agent_projects", finished, id=f"eq.{PROJECT}")
    await services.projects.fail_composition(PROJECT)
    [row] = await vidfab.supabase.rows("video_agent_projects")
    assert (row["status"], row["step_6_status"]) == (found, found)
