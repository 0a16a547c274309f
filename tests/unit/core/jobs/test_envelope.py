"""The result envelope."""

from datetime import UTC, datetime, timedelta, timezone

from core.jobs.data import JobResult
from core.jobs.envelope import iso, success


class Sample(JobResult):
    file_size: int
    note: str | None = None
    ratio: float = 1.0


def test_envelope_is_what_the_app_reads() -> None:
    now = datetime(2026, 11, 24, 1, 2, 3, 456789, tzinfo=UTC)
    envelope = success(Sample(file_size=5).payload(), duration_ms=12, attempts_made=1, now=now)
    assert envelope == {
        "success": True,
        "data": {"fileSize": 5, "ratio": 1.0},
        "duration": 12,
        "retryCount": 1,
        "finishedAt": "2026-11-24T01:02:03.456Z",
    }


def test_moments_are_written_in_utc() -> None:
    moment = datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    assert iso(moment) == "2026-01-01T00:00:00.000Z"
