"""What is learnt of a server's resumable uploads; they themselves: test_transfers.py."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from bullmq_consumer.safety.fence import fenced
from config.settings import Settings
from core.errors import LockLost, ServiceError
from core.paths import Bucket
from sandbox.processes import PATIENCE_S
from services.net.circuit import Circuit
from services.net.http import new_client
from services.storage.objects import RESUMABLE_ABOVE_BYTES
from services.storage.spool import Upload, whole
from services.storage.tus import Tus

CREATE = "/upload/resumable"
UPLOAD = f"{CREATE}/1"
INFO = "/object/info/user-videos/a.mp4"
SIZE = RESUMABLE_ABOVE_BYTES + 1
BEGUN = datetime(2026, 11, 25, 10, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("no_waits")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def tus(provider: Any, clock: Clock) -> AsyncIterator[Tus]:
    async with httpx.AsyncClient(
        base_url=provider.url(""), trust_env=False, timeout=None
    ) as client:
        yield Tus(client, Circuit("storage"), clock)


@pytest.fixture
async def upload(tmp_path: Path) -> AsyncIterator[Upload]:
    file = tmp_path / "film"
    file.write_bytes(b"film")
    with whole(file) as spool:
        yield Upload(spool, Bucket.VIDEOS, "a.mp4", SIZE, "video/mp4")


@pytest.fixture
async def two_chunks(tmp_path: Path) -> AsyncIterator[Upload]:
    """One of 6 MiB, and one of a byte."""
    file = tmp_path / "large"
    with file.open("wb") as stream:
        stream.truncate(SIZE)
    with whole(file) as spool:
        yield Upload(spool, Bucket.VIDEOS, "a.mp4", SIZE, "video/mp4")


@pytest.mark.parametrize("status", ["404 Not Found", "405 No", "501 No"])
async def test_a_server_without_them_is_asked_again_after_ten_minutes(
    provider: Any, response: Any, tus: Tus, clock: Clock, upload: Upload, status: str
) -> None:
    provider.on(CREATE, response(b"no", status=status))
    assert tus.suits(upload)
    assert not await tus.send(upload)
    assert len(provider.requests) == 1
    clock.now = 599
    assert not tus.suits(upload)
    clock.now = 600
    assert tus.suits(upload)


@pytest.mark.parametrize("in_body", [True, False])
async def test_a_missing_bucket_says_nothing_of_the_server(
    provider: Any, response: Any, tus: Tus, upload: Upload, in_body: bool
) -> None:
    """Storage answers 400 with the true status in its body, or 404 in the protocol's own way."""
    body = b'{"statusCode": "404", "error": "Bucket not found", "message": "Bucket not found"}'
    answer = (
        response(body, status="400 Bad Request", content_type="application/json")
        if in_body
        else response(b"no", status="404 Not Found", tus_resumable="1.0.0")
    )
    provider.on(CREATE, answer)
    with pytest.raises(ServiceError) as raised:
        await tus.send(upload)
    assert (raised.value.status, raised.value.retryable) == (404, False)
    assert tus.suits(upload)


async def cut(writer: asyncio.StreamWriter) -> None:
    """An answer that is lost."""


def loses_the_end(provider: Any, response: Any, **headers: str) -> None:
    """Answers the first chunk, and the end with nothing; then says that all bytes are there."""
    provider.on(CREATE, response(b"", status="201 Created", location=UPLOAD, **headers))
    first = response(b"", upload_offset=str(RESUMABLE_ABOVE_BYTES))
    last = response(b"", upload_offset=str(SIZE))
    provider.on(UPLOAD, first, cut, last, first, last)


def info(size: int, written_at: datetime, *, like_lite: bool = False) -> bytes:
    if like_lite:
        return json.dumps({"updated_at": str(written_at), "metadata": {"size": size}}).encode()
    hosted = {"last_modified": written_at.isoformat(), "metadata": None, "name": "a.mp4"}
    return json.dumps({**hosted, "size": size, "created_at": "2026-01-01T00:00:00Z"}).encode()


@pytest.mark.parametrize("like_lite", [False, True])
async def test_an_end_that_is_not_confirmed_is_looked_for_in_the_storage(
    provider: Any, response: Any, tus: Tus, two_chunks: Upload, like_lite: bool
) -> None:
    """A film of 5 GB would be sent again for a lost answer."""
    loses_the_end(provider, response, date=format_datetime(BEGUN, usegmt=True))
    found = info(SIZE, BEGUN + timedelta(seconds=30), like_lite=like_lite)
    provider.on(INFO, response(found))
    assert await tus.send(two_chunks)
    assert len(provider.to(CREATE)) == 1
    assert len(provider.to(UPLOAD)) == 3


OTHERS: dict[str, Callable[[], bytes]] = {
    "another size": lambda: info(SIZE - 1, BEGUN + timedelta(seconds=30)),
    "older": lambda: info(SIZE, BEGUN - timedelta(hours=1)),
    "perhaps older": lambda: info(SIZE, BEGUN + timedelta(seconds=0.9)),
    "no answer": lambda: b"<html>",
}


@pytest.mark.parametrize("case", OTHERS)
async def test_an_object_that_may_be_anothers_is_not_taken_for_ours(
    provider: Any, response: Any, tus: Tus, two_chunks: Upload, case: str
) -> None:
    loses_the_end(provider, response, date=format_datetime(BEGUN, usegmt=True))
    provider.on(INFO, response(OTHERS[case]()))
    assert await tus.send(two_chunks)
    assert len(provider.to(CREATE)) == 2


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "500 Internal Server Error"])
async def test_a_storage_that_tells_nothing_gets_all_again(
    provider: Any, response: Any, tus: Tus, two_chunks: Upload, status: str
) -> None:
    loses_the_end(provider, response, date=format_datetime(BEGUN, usegmt=True))
    provider.on(INFO, response(b"{}", status=status))
    assert await tus.send(two_chunks)
    assert len(provider.to(CREATE)) == 2


async def test_without_the_servers_time_all_is_sent_again(
    provider: Any, response: Any, tus: Tus, two_chunks: Upload
) -> None:
    """Our own clock may be wrong by hours."""
    loses_the_end(provider, response)
    provider.on(INFO, response(info(SIZE, datetime.now(UTC) + timedelta(hours=1))))
    assert await tus.send(two_chunks)
    assert len(provider.to(CREATE)) == 2


class Lock:
    """Of a job that is removed in the middle."""

    job_id = "job-1"
    is_lost = False

    async def check(self) -> None:
        if self.is_lost:
            raise LockLost


async def test_the_upload_of_a_job_that_was_removed_is_removed(
    provider: Any, response: Any, settings: Callable[..., Settings], two_chunks: Upload
) -> None:
    """Though such a job may change nothing any more."""
    provider.on(CREATE, response(b"", status="201 Created", location=UPLOAD))
    provider.on(UPLOAD, provider.hang, response(b"", status="204 No Content"))
    client = new_client(
        settings(), service="storage", timeout=httpx.Timeout(5), base_url=provider.url("")
    )
    tus, lock = Tus(client, Circuit("storage")), Lock()
    with fenced(lock):
        sending = asyncio.create_task(tus.send(two_chunks))
    await provider.until(UPLOAD)
    lock.is_lost = True
    sending.cancel()
    await asyncio.wait({sending})
    assert sending.cancelled()
    removal = (await provider.until(UPLOAD, 2))[1]
    assert removal.line.startswith("DELETE ")
    assert removal.headers["tus-resumable"] == "1.0.0"
    await tus.aclose()
    await client.aclose()


async def test_a_server_that_does_not_answer_keeps_no_worker_from_its_end(
    provider: Any, response: Any, tus: Tus, two_chunks: Upload
) -> None:
    provider.on(CREATE, response(b"", status="201 Created", location=UPLOAD))
    provider.on(UPLOAD, response(b"no", status="413 Too Large"), provider.hang)
    with pytest.raises(ServiceError):
        await tus.send(two_chunks)
    await provider.until(UPLOAD, 2)
    async with asyncio.timeout(PATIENCE_S):  # the client itself waits for ever
        await tus.aclose()
