"""Transfers into real storage: what breaks, what is tried again, and what never lies there half."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import stamina

from config.settings import Settings
from core.errors import RetryableError, ServiceError, UnrecoverableError, UnsafeUrl, UnusableContent
from sandbox.gateway import CHUNK_BYTES, RESUMABLE, Gateway
from sandbox.processes import PATIENCE_S
from sandbox.providers.drawing.clips import Clip, make_clip
from sandbox.vidfab import VidFab
from services.bundle import Services
from services.storage.transfers import Stored, Transfer
from tests.support.mp4 import padded
from tests.support.stored_videos import is_stored, object_info

PATH = "videos/u/v.mp4"
MIB = 1024 * 1024
LARGE = 20 * MIB + 123
HEAD = f"HEAD {RESUMABLE}/"
PATCH = f"PATCH {RESUMABLE}/"
DELETE = f"DELETE {RESUMABLE}/"
WHOLE = f"POST /storage/v1/object/user-videos/{PATH}"


class Way:
    """A file at the media host, and its transfers through a gateway."""

    def __init__(self, vidfab: VidFab, gateway: Gateway, folder: Path, clip: Path) -> None:
        self.vidfab = vidfab
        self.gateway = gateway
        self._folder = folder
        self._clip = clip
        variables = vidfab.settings("none", SUPABASE_URL=gateway.url)
        self.services = Services(Settings(**variables))
        self.served = vidfab.providers.media_folder / "large.mp4"

    def serve(self, size_bytes: int = LARGE) -> str:
        padded(self._clip, self.served, size_bytes)
        return f"{self.vidfab.providers.media_url}/large.mp4"

    async def store(self, url: str, content_type: str | None = None) -> Stored:
        transfer = Transfer(url, PATH, self._folder / "spool", content_type)
        stored = await self.services.transfers.run(transfer)
        assert transfer.percent == 100
        return stored

    async def downloads(self) -> int:
        return len(await self.vidfab.providers.control.requests("/large.mp4"))

    async def check(self, stored: Stored) -> None:
        """What anybody reads at the URL is the served file."""
        async with httpx.AsyncClient(trust_env=False) as client:
            found = await client.get(stored.url)
        assert found.content == self.served.read_bytes() == stored.file.read_bytes()
        info = await object_info(self.vidfab, PATH)
        assert (info["size"], info["mimetype"]) == (stored.size_bytes, "video/mp4")
        assert info["cacheControl"] == "max-age=3600"
        assert await self.downloads() == 1


@pytest.fixture(scope="session")
async def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return await make_clip(Clip(seconds=2), tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture
async def way(
    vidfab: VidFab, tmp_path: Path, clip: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Way]:
    resumable = getattr(request, "param", True)
    async with Gateway(vidfab.supabase, resumable=resumable) as gateway:
        found = Way(vidfab, gateway, tmp_path, clip)
        yield found
        await found.services.aclose()


@pytest.fixture(autouse=True)
def _no_waits() -> Iterator[None]:
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


both_ways = pytest.mark.parametrize("way", [True, False], indirect=True)


@both_ways
@pytest.mark.parametrize("size_bytes", [MIB, 6 * MIB, 6 * MIB + 1, LARGE])
async def test_the_object_is_the_source(way: Way, size_bytes: int) -> None:
    await way.check(await way.store(way.serve(size_bytes)))


async def test_a_large_file_goes_in_chunks(way: Way) -> None:
    await way.store(way.serve())
    [upload] = way.gateway.uploads.values()
    assert upload.chunks == [CHUNK_BYTES, CHUNK_BYTES, CHUNK_BYTES, LARGE - 3 * CHUNK_BYTES]
    assert upload.metadata == {
        "bucketName": "user-videos",
        "objectName": PATH,
        "contentType": "video/mp4",
        "cacheControl": "3600",
    }
    assert WHOLE not in way.gateway.seen


@pytest.mark.parametrize("way", [False], indirect=True)
async def test_without_resumable_uploads_it_asks_once(way: Way) -> None:
    url = way.serve()
    await way.store(url)
    await way.store(url)
    assert way.gateway.seen.count(f"POST {RESUMABLE}") == 1
    assert way.gateway.seen.count(WHOLE) == 2


@pytest.mark.parametrize("status", [405, 501])
async def test_a_server_that_knows_no_such_method_gets_the_whole(way: Way, status: int) -> None:
    way.gateway.faults.answers = {"POST": [status]}
    await way.check(await way.store(way.serve()))
    assert way.gateway.seen.count(f"POST {RESUMABLE}") == 1
    assert way.gateway.seen.count(WHOLE) == 1


async def test_a_bucket_that_is_missing_does_not_turn_resumable_uploads_off(way: Way) -> None:
    """The server speaks the protocol as it says 404; the next film goes in chunks all the same."""
    way.gateway.faults.answers = {"POST": [404]}
    url = way.serve()
    with pytest.raises(ServiceError, match="Supabase refused to store the video") as raised:
        await way.store(url)
    assert (raised.value.status, raised.value.retryable) == (404, False)
    await way.vidfab.providers.control.clear_requests()
    await way.check(await way.store(url))
    assert way.gateway.seen.count(f"POST {RESUMABLE}") == 2
    assert WHOLE not in way.gateway.seen


async def test_the_gateway_knows_its_buckets_as_a_hosted_server_does(way: Way) -> None:
    name = base64.b64encode(b"no-such-bucket").decode()
    key = way.vidfab.supabase.service_key
    async with httpx.AsyncClient(base_url=way.gateway.url, trust_env=False) as client:
        answer = await client.post(
            RESUMABLE,
            headers={
                "apikey": key,
                "tus-resumable": "1.0.0",
                "upload-length": "1",
                "upload-metadata": f"bucketName {name}",
            },
        )
    assert (answer.status_code, answer.headers["tus-resumable"]) == (404, "1.0.0")


async def test_what_was_there_is_replaced(way: Way) -> None:
    await way.store(way.serve(7 * MIB))
    await way.vidfab.providers.control.clear_requests()
    await way.check(await way.store(way.serve(LARGE)))


# In the middle of a chunk, at a chunk's end before its answer, at the very end.
@pytest.mark.parametrize("place", [2 * MIB, 6 * MIB, 15 * MIB, LARGE])
async def test_a_broken_connection_goes_on_where_it_got_to(way: Way, place: int) -> None:
    way.gateway.faults.breaks = [place]
    stored = await way.store(way.serve())
    assert way.gateway.seen.count(HEAD) == 1
    # Whether the object was made is not known when the answer to the last chunk is lost.
    assert way.gateway.seen.count(f"POST {RESUMABLE}") == (2 if place == LARGE else 1)
    await way.check(stored)


async def test_a_lost_answer_to_the_end_sends_nothing_again(way: Way) -> None:
    """The object tells that it was stored: by its size, and since the upload began."""
    await way.store(way.serve())
    way.gateway.faults.lost_ends = 1
    await way.vidfab.providers.control.clear_requests()
    await way.check(await way.store(way.serve()))
    assert way.gateway.seen.count(f"POST {RESUMABLE}") == 2, "one for each film"
    assert way.gateway.seen.count(PATCH) == 8


async def test_several_broken_connections(way: Way) -> None:
    way.gateway.faults.breaks = [MIB, 2 * MIB, 3 * MIB, 14 * MIB]
    await way.check(await way.store(way.serve()))
    assert way.gateway.seen.count(HEAD) == 4


@pytest.mark.parametrize("status", [409, 423, 500, 503])
async def test_a_passing_answer_to_a_chunk(way: Way, status: int) -> None:
    way.gateway.faults.answers = {"PATCH": [status], "HEAD": [status]}
    await way.check(await way.store(way.serve()))


@pytest.mark.parametrize("status", [404, 410])
async def test_an_upload_that_the_server_forgot_begins_anew(way: Way, status: int) -> None:
    way.gateway.faults.answers = {"PATCH": [status]}
    await way.check(await way.store(way.serve()))
    assert len(way.gateway.uploads) == 2


async def test_what_the_server_refuses_is_not_tried_again(way: Way) -> None:
    way.gateway.faults.answers = {"PATCH": [413]}
    with pytest.raises(ServiceError, match="Supabase refused to store the video") as raised:
        await way.store(way.serve())
    assert (raised.value.status, raised.value.retryable) == (413, False)
    assert way.gateway.seen.count(PATCH) == 1
    assert not await is_stored(way.vidfab, PATH)


async def removed(way: Way) -> None:
    """Until the server keeps no upload."""
    async with asyncio.timeout(PATIENCE_S):
        while way.gateway.uploads:  # noqa: ASYNC110 (it has no event)
            await asyncio.sleep(0.005)


async def test_an_upload_that_is_refused_is_removed(way: Way) -> None:
    way.gateway.faults.answers = {"PATCH": [413]}
    with pytest.raises(ServiceError):
        await way.store(way.serve())
    await removed(way)


@pytest.mark.parametrize("way", [False], indirect=True)
@pytest.mark.parametrize("statuses", [[503, 500], [423, 402], [520, 530]])
async def test_one_request_is_tried_again_from_the_spool(way: Way, statuses: list[int]) -> None:
    way.gateway.faults.answers = {"object": list(statuses)}
    await way.check(await way.store(way.serve()))
    assert way.gateway.seen.count(WHOLE) == 3


@both_ways
@pytest.mark.parametrize("place", [100, 5 * MIB, LARGE - 1])
async def test_a_source_that_breaks_leaves_nothing(way: Way, place: int) -> None:
    url = way.serve()
    await way.vidfab.providers.control.break_off("/large.mp4", place, times=1)
    with pytest.raises(RetryableError, match=r"large\.mp4 failed"):
        await way.store(url)
    await asyncio.sleep(0.2)  # for a server that would store what it got
    assert not await is_stored(way.vidfab, PATH)
    await way.vidfab.providers.control.clear_requests()
    await way.check(await way.store(url))


@both_ways
async def test_a_source_that_breaks_leaves_what_was_there(way: Way) -> None:
    before = await way.store(way.serve(7 * MIB))
    content = before.file.read_bytes()
    await way.vidfab.providers.control.break_off("/large.mp4", 8 * MIB, times=1)
    with pytest.raises(RetryableError):
        await way.store(way.serve(LARGE))
    await asyncio.sleep(0.2)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(before.url)).content == content


@both_ways
async def test_half_a_film_with_the_length_of_half_a_film(way: Way, clip: Path) -> None:
    """The host itself holds a file that was cut off."""
    url = way.serve()
    content = await asyncio.to_thread(clip.read_bytes)
    await asyncio.to_thread(way.served.write_bytes, content[: len(content) // 2])
    with pytest.raises(RetryableError, match="cut off before its end"):
        await way.store(url)
    assert not await is_stored(way.vidfab, PATH)


async def test_download_and_upload_overlap(way: Way, tmp_path: Path) -> None:
    """A refusal of the first chunk ends a download that has not ended by itself."""
    url = way.serve(40 * MIB)
    way.gateway.faults.answers = {"PATCH": [413]}
    with pytest.raises(ServiceError):
        await way.store(url)
    assert CHUNK_BYTES <= (tmp_path / "spool").stat().st_size < 40 * MIB


@pytest.mark.parametrize("way", [False], indirect=True)
async def test_the_type_served_counts_if_it_is_a_videos(way: Way) -> None:
    url = way.serve(MIB)
    moved = way.served.rename(way.served.with_suffix(".webm"))
    # Served as video/webm, which this bucket does not take.
    with pytest.raises(ServiceError) as raised:
        await way.store(url.replace(".mp4", ".webm"))
    assert not raised.value.retryable
    await way.store(url.replace(".mp4", ".webm"), "video/mp4")
    moved.rename(way.served.with_suffix(".bin"))
    await way.store(url.replace(".mp4", ".bin"))
    assert (await object_info(way.vidfab, PATH))["mimetype"] == "video/mp4"


async def test_what_is_never_stored(way: Way) -> None:
    media = way.vidfab.providers.media_url
    with pytest.raises(UnusableContent, match="not a video"):
        await way.store(f"{media}/img/a.jpg")
    with pytest.raises(UnrecoverableError, match="404 Not Found"):
        await way.store(f"{media}/nothing.mp4")
    with pytest.raises(UnsafeUrl):
        await way.store("https://127.0.0.1/a.mp4")
    with pytest.raises(RetryableError, match="503"):
        await way.store(f"{media}/status/503/a.mp4")
    assert not await is_stored(way.vidfab, PATH)
    assert way.gateway.seen == []


async def cancelled(way: Way) -> None:
    """A transfer, in the middle."""
    storing = asyncio.create_task(way.store(way.serve(60 * MIB)))
    async with asyncio.timeout(PATIENCE_S):
        while PATCH not in way.gateway.seen:  # noqa: ASYNC110 (it has no event)
            await asyncio.sleep(0.005)
    storing.cancel()
    await asyncio.wait({storing})
    assert storing.cancelled()


async def test_a_cancelled_transfer_leaves_nothing(way: Way) -> None:
    await cancelled(way)
    await asyncio.sleep(0.2)
    assert not await is_stored(way.vidfab, PATH)


async def test_the_upload_of_a_cancelled_transfer_is_removed(way: Way) -> None:
    """Also where the server does not take that at once."""
    way.gateway.faults.answers = {"DELETE": [423, 500]}
    await cancelled(way)
    await removed(way)
    assert way.gateway.seen.count(DELETE) == 3
