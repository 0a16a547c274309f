from typing import Any

import pytest

from core.errors import RetryableError
from services.storage.films import Films, StoredFilm
from services.supabase.projects import Project

PROJECT = Project(id="11111111-1111-4111-8111-111111111111", user_id="u")
FILM = StoredFilm("https://x/final.mp4", 1234, "1080x1920")


class Table:
    """Any chain of calls ends here; a read gives what was last written, changed by `change`."""

    def __init__(self, **change: Any) -> None:
        self.change = change
        self.row: dict[str, Any] = {}

    async def query(self, operation: str, build: Any) -> list[dict[str, Any]]:
        return await build(self)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self

    def update(self, fields: dict[str, Any]) -> "Table":
        self.row = fields
        return self

    async def execute(self) -> list[dict[str, Any]]:
        kept = {key: value for key, value in self.row.items() if key != "completed_at"}
        return [{**kept, **self.change}]


async def test_what_is_recorded() -> None:
    table: Any = Table()
    await Films(table, table).record(PROJECT, FILM)
    assert table.row.pop("completed_at").endswith("Z")
    assert table.row == {
        "status": "completed",
        "step_6_status": "completed",
        "final_video_url": "https://x/final.mp4",
        "final_video_storage_path": f"videos/u/video-agent/{PROJECT.id}/final.mp4",
        "final_video_file_size": 1234,
        "final_video_resolution": "1080x1920",
    }


async def test_a_row_that_did_not_keep_it_is_written_again_by_a_retry() -> None:
    table: Any = Table(step_6_status="processing")
    with pytest.raises(RetryableError, match="did not keep"):
        await Films(table, table).record(PROJECT, FILM)
