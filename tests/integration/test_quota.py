"""Quotas counted anew: exact sums, whatever the number of rows, and nothing else written."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.quotas import changed, lay_user, tables, video
from tests.support.recordings import USER
from tests.support.site import Site

GIB = 1024**3


async def recalculate(site: Site, **change: Any) -> str:
    job_id = f"quota_{USER}_recalculate"
    data = {"jobId": job_id, "userId": USER, "operation": "recalculate", **change}
    options = {"jobId": job_id, "priority": 4, "attempts": 3, "removeOnComplete": 50}
    return await site.app.add("update_quota", data, options)


async def result(site: Site, count: int = 1) -> dict[str, Any]:
    event = await site.app.wait_for(f"quota_{USER}_recalculate", "completed", count=count)
    return event.args["returnvalue"]["data"]


async def quota(site: Site) -> dict[str, Any]:
    [row] = await site.vidfab.supabase.rows("user_storage_quotas", user_id=f"eq.{USER}")
    return row


async def test_only_what_is_not_deleted_counts(site: Site) -> None:
    await lay_user(site.vidfab)
    gone = {"deleted_at": "2026-11-01T00:00:00Z"}
    rows = [
        video(1, "completed", GIB),
        video(2, "completed", None),
        video(3, "failed", 10),
        video(4, "deleted", 100, **gone),
        video(5, "completed", 1000, **gone),
        video(6, "downloading", 10_000),
    ]
    columns = {key: None for row in rows for key in row}
    await site.vidfab.supabase.insert("user_videos", [{**columns, **row} for row in rows])
    images = [
        {"user_id": USER, "storage_path": "a", "file_size": 7, "status": "completed"},
        {"user_id": USER, "storage_path": "b", "file_size": 70, "status": "deleted"},
    ]
    await site.vidfab.supabase.insert("user_images", images)
    wrong = {"total_videos": 99, "total_size_bytes": 1}
    await site.vidfab.supabase.update("user_storage_quotas", wrong, user_id=f"eq.{USER}")
    before = await tables(site.vidfab)
    await site.worker()
    await recalculate(site)

    found = await result(site)
    assert found["before"] == {
        "current_videos": 1,
        "max_videos": 999_999,
        "current_size_bytes": GIB + 7,
        "max_size_bytes": GIB,
        "current_size_mb": 1024,
        "max_size_mb": 1024,
        "videos_percentage": 0,
        "storage_percentage": 100,
        "can_upload": False,
        "is_subscribed": False,
    }
    assert found["after"] == {"videos": 2, "sizeMB": 1024.01}
    assert changed(before, await tables(site.vidfab)) == {"user_storage_quotas"}
    row = await quota(site)
    assert (row["total_videos"], row["total_size_bytes"]) == (2, GIB + 10_010)
    assert (row["max_videos"], row["plan_type"]) == (50, "free")


async def test_more_rows_than_one_answer_holds(site: Site) -> None:
    await lay_user(site.vidfab)
    for start in (0, 600, 1200):
        rows = [video(number, "completed", 1000 + number) for number in range(start, start + 600)]
        await site.vidfab.supabase.insert("user_videos", rows)
    await site.worker()
    await recalculate(site)
    assert (await result(site))["before"]["current_videos"] == 1800
    row = await quota(site)
    assert row["total_videos"] == 1800
    assert row["total_size_bytes"] == sum(range(1000, 2800))


async def test_a_user_without_videos_or_quota(site: Site) -> None:
    """And a second request under the same id, which names the user, is not dropped."""
    await lay_user(site.vidfab)
    await site.worker()
    for count in (1, 2):
        await recalculate(site)
        assert (await result(site, count))["after"] == {"videos": 0, "sizeMB": 0}
    row = await quota(site)
    assert (row["total_videos"], row["total_size_bytes"]) == (0, 0)


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


SUBSCRIPTIONS: dict[str, tuple[str, str, str | None, bool]] = {
    "active": ("pro", "active", None, True),
    "active and long past": ("lite", "active", days_ago(99), True),
    "cancelled, not over": ("premium", "cancelled", days_ago(-3), True),
    "late by six days": ("pro", "inactive", days_ago(6.9), True),
    "late by a week": ("pro", "inactive", days_ago(7.1), False),
    "inactive": ("pro", "inactive", None, False),
    "free": ("free", "active", days_ago(-3), False),
}


@pytest.mark.parametrize("case", SUBSCRIPTIONS)
async def test_who_is_a_subscriber(site: Site, case: str) -> None:
    plan, status, end, expected = SUBSCRIPTIONS[case]
    await lay_user(
        site.vidfab,
        subscription_plan=plan,
        subscription_status=status,
        subscription_period_end=end,
    )
    await site.worker()
    await recalculate(site)
    assert (await result(site))["before"]["is_subscribed"] is expected


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no operation": ({"operation": None}, "'operation': input should be 'add', 'remove' or"),
    "another operation": ({"operation": "purge"}, "'operation': input should be 'add', 'remove'"),
    "a path": ({"userId": "../../x"}, "'userId': must be a UUID"),
    "huge": ({"userId": "a" * 200_000}, "'userId': string should have at most 100000"),
    "nobody": (
        {"userId": "99999999-9999-4999-8999-999999999999"},
        "User 99999999-9999-4999-8999-999999999999 does not exist",
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_input_fails_at_once(site: Site, case: str) -> None:
    change, sentence = BAD[case]
    await lay_user(site.vidfab)
    before = await tables(site.vidfab)
    await site.worker()
    job_id = await recalculate(site, **change)
    reason = (await site.app.wait_for(job_id, "failed")).args["failedReason"]
    assert sentence in reason
    assert len(reason.splitlines()) == 1
    assert len(site.app.events_of(job_id, "active")) == 1
    assert await tables(site.vidfab) == before
