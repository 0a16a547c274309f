"""How often the app and the row hear of a download that is watched at every percent."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import ServiceError
from handlers import _download_display as display
from tests.support.handle import RecordingHandle, context

VIDEO = "22222222-2222-4222-8222-222222222222"


@dataclass
class Row:
    """Keeps what is written, or fails to."""

    written: list[int] = field(default_factory=list)
    fails: bool = False

    async def update_download(self, video_id: str, *, download_progress: int) -> None:
        self.written.append(download_progress)
        if self.fails:
            raise ServiceError("Supabase", "update", "away", retryable=True)


@dataclass
class Clock:
    now: float = 0

    def monotonic(self) -> float:
        return self.now


async def watched(
    monkeypatch: pytest.MonkeyPatch, row: Row, percents: list[int], step_s: float
) -> list[dict[str, Any]]:
    """The progress events while the transfer stands at each of `percents` for `step_s`."""
    clock, handle, transfer = Clock(), RecordingHandle(), SimpleNamespace(percent=0)
    monkeypatch.setattr(display, "time", clock)
    ctx = context(handle, services=SimpleNamespace(videos=row))
    watching = display._Display(ctx, VIDEO, transfer)
    for percent in percents:
        transfer.percent = percent
        await watching._look()
        clock.now += step_s
    return handle.progress


async def test_a_slow_download(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row()
    events = await watched(monkeypatch, row, list(range(101)), 10)
    assert [one["message"] for one in events] == [
        f"Downloading... {percent}%" for percent in range(0, 101, 2)
    ]
    assert [one["percent"] for one in events] == [10 + p * 80 // 100 for p in range(0, 101, 2)]
    assert row.written == list(range(5, 101, 5))


async def test_a_fast_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """In three seconds the row is written at most three times."""
    row = Row()
    await watched(monkeypatch, row, list(range(101)), 0.03)
    assert len(row.written) in {2, 3}


async def test_an_upload_that_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row()
    events = await watched(monkeypatch, row, [0, 50, 80, 40, 60, 80, 90], 2)
    assert [one["percent"] for one in events] == [10, 50, 74, 82]
    assert row.written == [50, 80, 90]


async def test_a_row_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row(fails=True)
    events = await watched(monkeypatch, row, [0, 50, 100], 2)
    assert len(events) == 3
    assert row.written == [50, 100]
