"""What is learnt of a server's resumable uploads; they themselves: test_transfers.py."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.errors import ServiceError
from core.paths import Bucket
from services.net.circuit import Circuit
from services.storage.objects import RESUMABLE_ABOVE_BYTES
from services.storage.spool import Upload, whole
from services.storage.tus import Tus

CREATE = "/upload/resumable"

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
    async with httpx.AsyncClient(base_url=provider.url(""), trust_env=False) as client:
        yield Tus(client, Circuit("storage"), clock)


@pytest.fixture
async def upload(tmp_path: Path) -> AsyncIterator[Upload]:
    file = tmp_path / "film"
    file.write_bytes(b"film")
    with whole(file) as spool:
        yield Upload(spool, Bucket.VIDEOS, "a.mp4", RESUMABLE_ABOVE_BYTES + 1, "video/mp4")


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
