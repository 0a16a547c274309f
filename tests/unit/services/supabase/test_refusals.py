"""Which of Supabase's refusals pass: what PostgREST, the storage and those in front of them say."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.alert import Alert
from core.errors import ProviderDown, ServiceError
from core.paths import Bucket
from services.storage import objects
from services.supabase.client import ATTEMPTS, Supabase
from services.supabase.table import Table
from services.supabase.videos import VideoRow

TABLE = "user_videos"
ROWS = "/rest/v1/user_videos"
PICTURE = "images/u/a.jpg"
PAGE = b"<html>Something is wrong</html>"

pytestmark = pytest.mark.usefixtures("no_waits")


@pytest.fixture
async def supabase(provider: Any, settings: Any) -> AsyncIterator[Supabase]:
    service = Supabase(settings(SUPABASE_URL=provider.url("")))
    yield service
    await service.aclose()


def said(code: str | None, message: str = "Because") -> bytes:
    """PostgREST's body."""
    return json.dumps({"code": code, "message": message, "details": None, "hint": None}).encode()


READ_ONLY = "cannot execute UPDATE in a read-only transaction"
STALE = "Could not find the 'cdn_url' column of 'user_videos' in the schema cache"

RESTRICTED: dict[str, tuple[int, bytes]] = {
    "the disk is full, and the project read-only": (405, said("25006", READ_ONLY)),
    "the project is over its quota": (402, said(None, "exceed_egress_quota")),
    "the project is over its quota, says a page": (402, PAGE),
}
UNREAD: dict[str, tuple[int, bytes]] = {
    "PostgREST does not know a new column yet": (400, said("PGRST204", STALE)),
    "PostgREST does not know a new table yet": (404, said("PGRST205", "No such table")),
}
PASSING: dict[str, tuple[int, bytes]] = {
    "something holds it": (423, PAGE),
    "something holds it, says JSON": (423, said("Locked")),
    **{f"Cloudflare says {status}": (status, PAGE) for status in range(520, 531)},
    "the statement is too complex": (500, said("54001", "stack depth limit exceeded")),
    "a configuration file is wrong": (500, said("F0001")),
    "a function failed": (500, said("P0002")),
}
FINAL: dict[str, tuple[int, bytes]] = {
    "no such column": (400, said("42703", "column does not exist")),
    "no such table": (404, said("42P01", "relation does not exist")),
    "not allowed": (403, said("42501", "permission denied")),
    "there already": (409, said("23505", "duplicate key value")),
    "an exception of the app's own": (400, said("P0001")),
    "a method that there is not": (405, PAGE),
    "an expired token": (401, said("PGRST301", "JWT expired")),
}


async def refused(supabase: Supabase) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        await supabase.query("read", lambda db: db.from_(TABLE).select("id").execute())
    return raised.value


def answer(response: Callable[..., bytes], status: int, body: bytes) -> bytes:
    kind = "text/html" if body == PAGE else "application/json"
    return response(body, status=f"{status} Because", content_type=kind)


@pytest.mark.parametrize("case", RESTRICTED)
async def test_a_restricted_project_sends_jobs_back_with_one_alert(
    provider: Any, settings: Any, response: Any, case: str
) -> None:
    status, body = RESTRICTED[case]
    provider.on(ROWS, answer(response, status, body))
    alerts: list[Alert] = []
    service = Supabase(settings(SUPABASE_URL=provider.url("")), alerts.append)
    for _ in range(2):
        with pytest.raises(ProviderDown, match="Supabase refuses this account"):
            await service.query("read", lambda db: db.from_(TABLE).select("id").execute())
    await service.aclose()
    assert len(provider.requests) == ATTEMPTS
    [alert] = alerts
    assert ". Look at the project's usage: a disk that is nearly full " in alert.text


@pytest.mark.parametrize("case", UNREAD)
async def test_a_job_alone_waits_for_a_schema_that_is_not_read_yet(
    provider: Any, supabase: Supabase, response: Any, case: str
) -> None:
    """Others are served meanwhile."""
    status, body = UNREAD[case]
    provider.on(ROWS, answer(response, status, body))
    for _ in range(8):
        with pytest.raises(ProviderDown, match=r"Supabase has not read its schema: .*(cdn_url|No)"):
            await supabase.query("read", lambda db: db.from_(TABLE).select("id").execute())
    assert len(provider.requests) == 8
    provider.on(ROWS, response(b"[]", content_type="application/json"))
    assert await supabase.query("read", lambda db: db.from_(TABLE).select("id").execute()) == []


@pytest.mark.parametrize("case", PASSING)
async def test_what_passes_is_tried_again(
    provider: Any, supabase: Supabase, response: Any, case: str
) -> None:
    status, body = PASSING[case]
    provider.on(ROWS, answer(response, status, body))
    error = await refused(supabase)
    assert (error.retryable, error.status) == (True, status)
    assert len(provider.requests) == ATTEMPTS


@pytest.mark.parametrize("case", FINAL)
async def test_what_does_not_pass_is_final(
    provider: Any, supabase: Supabase, response: Any, case: str
) -> None:
    status, body = FINAL[case]
    provider.on(ROWS, answer(response, status, body))
    error = await refused(supabase)
    assert (error.retryable, error.status) == (False, status)
    assert len(provider.requests) == 1


async def test_a_read_only_database_sends_uploads_back(
    provider: Any, supabase: Supabase, response: Any, tmp_path: Path
) -> None:
    """The storage's own status stands in the body."""
    file = tmp_path / "a.jpg"
    file.write_bytes(b"jpeg")
    words = "Database is in read-only mode, try again later"
    body = {"statusCode": "503", "error": "DatabaseReadOnly", "message": words}
    refused = answer(response, 400, json.dumps(body).encode())
    provider.on(f"/storage/v1/object/user-images/{PICTURE}", refused)
    with pytest.raises(ProviderDown, match="Supabase storage refuses this account"):
        await supabase.upload(Bucket.IMAGES, PICTURE, file, content_type="image/jpeg", max_age_s=0)


@pytest.mark.parametrize("status", [402, 423, *range(520, 531)])
async def test_an_upload_is_tried_again(
    provider: Any, supabase: Supabase, response: Any, tmp_path: Path, status: int
) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(b"jpeg")
    stored = response(b'{"Key": "k", "Id": "i"}', content_type="application/json")
    provider.on(f"/storage/v1/object/user-images/{PICTURE}", answer(response, status, PAGE), stored)
    url = await supabase.upload(
        Bucket.IMAGES, PICTURE, file, content_type="image/jpeg", max_age_s=0
    )
    assert url.endswith(PICTURE)
    assert len(provider.requests) == 2


@pytest.mark.parametrize("status", [402, 423, *range(520, 531)])
async def test_a_large_upload_is_tried_again(provider: Any, response: Any, status: int) -> None:
    provider.on("/large", answer(response, status, PAGE))
    async with httpx.AsyncClient(base_url=provider.url(""), trust_env=False) as client:
        with pytest.raises(ServiceError, match="Supabase refused to store the video") as raised:
            await objects.exchange(client, "POST", "/large", headers={})
    assert (raised.value.retryable, raised.value.status) == (True, status)


async def test_a_change_that_changed_nothing_is_an_error(
    provider: Any, supabase: Supabase, response: Any
) -> None:
    """The row is there, the answer to the PATCH is 200 with `[]`: nothing was written."""
    kind = {"content_type": "application/json"}
    table = Table(supabase, TABLE, VideoRow)
    provider.on(ROWS, response(b"[]", **kind), response(b'[{"id": "1"}]', **kind))
    with pytest.raises(ServiceError, match="changed nothing on the request to write") as raised:
        await table.change("write", {"a": 1}, lambda rows: rows.eq("id", "1"))
    assert raised.value.retryable
    assert [request.line.split()[0] for request in provider.requests] == ["PATCH", "GET"]


async def test_a_change_of_no_row_is_none(provider: Any, supabase: Supabase, response: Any) -> None:
    provider.on(ROWS, response(b"[]", content_type="application/json"))
    table = Table(supabase, TABLE, VideoRow)
    changed = await table.change("write", {}, lambda rows: rows.eq("id", "1"))
    assert changed == []
