"""No service is asked anything whose certificate nobody vouches for."""

import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme

from config.logging.redaction import redactor
from config.settings import Settings
from core.alert import Alert, Notice
from core.errors import RetryableError, ServiceError
from core.paths import Bucket
from sandbox.worker_process import ROOT
from services.accounts.asking import ask
from services.accounts.verdicts import UNREACHABLE
from services.alerts.channels import channels
from services.bundle import Services
from services.images.base import ImageRequest
from services.net.content import Kind
from services.supabase.clips import ClipRow
from services.supabase.probe import SupabaseProbe
from services.vendors import VENDORS
from tests.support.logs import settings_of
from tests.support.server import Server, running

HOST = "media.example.com"
NOTICE = Notice(Alert("kind", "text", "error"), "text")
NOT_TRUSTED = re.compile("certificate.verify.failed", re.IGNORECASE)


@pytest.fixture
async def stranger() -> AsyncIterator[Server]:
    """Of an authority that nobody knows."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost", HOST).configure_cert(tls)
    async with running(Server(name="localhost", scheme="https"), tls) as server:
        yield server


@pytest.fixture
def own(stranger: Server) -> Settings:
    """Everything is asked there."""
    urls = ("SUPABASE_URL", "BYTEPLUS_ARK_BASE_URL", "GOOGLE_GEMINI_BASE_URL")
    more = ("WAVESPEED_API_URL", "SHOTSTACK_API_URL", "SLACK_WEBHOOK_URL", "DISCORD_WEBHOOK_URL")
    vendors = ("BYTEPLUS_API_KEY", "GOOGLE_AI_API_KEY", "WAVESPEED_API_KEY", "SHOTSTACK_API_KEY")
    return settings_of(
        **dict.fromkeys((*urls, *more), stranger.url("")),
        **dict.fromkeys(vendors, "a-key-of-ours"),
        SENTRY_DSN=f"https://0123456789abcdef@localhost:{stranger.port}/42",
        DOWNLOAD_ALLOWED_HOSTS=f"{HOST}:{stranger.port}=127.0.0.1",
        BYTEPLUS_IMAGE_MAX_RETRIES="0",
    )


def clip(**ids: str) -> ClipRow:
    row = {"id": "1", "project_id": "p", "shot_number": 1, "status": "generating"}
    return ClipRow.model_validate({**row, **ids})


PICTURE = ImageRequest(prompt="a door", aspect_ratio="16:9", references=())
Ask = Callable[[Services, Path], Awaitable[object]]
ASKED: dict[str, Ask] = {
    "supabase tables": lambda s, _: s.supabase.query(
        "read", lambda db: db.from_("users").select("*").execute()
    ),
    "supabase files": lambda s, to: s.supabase.download_to(
        Bucket.VIDEOS, "videos/a/b.mp4", to, max_bytes=9
    ),
    "seedream": lambda s, _: s.images.generate(PICTURE) if s.images else _none(),
    "seedance": lambda s, _: s.clip_providers.status(clip(seedance_task_id="t1")),
    "wavespeed": lambda s, _: s.clip_providers.status(clip(video_request_id="p2")),
    "veo": lambda s, _: s.clip_providers.status(clip(video_request_id="models/v/operations/o")),
    "shotstack": lambda s, _: s.shotstack.state("r1") if s.shotstack else _none(),
    "downloads": lambda s, to: s.downloads.fetch(
        f"{s.settings.shotstack_url.replace('localhost', HOST)}/a.jpg",
        to,
        max_bytes=9,
        accept=Kind.IMAGE,
    ),
}


async def _none() -> None:
    raise AssertionError("the service has no key")


@pytest.mark.parametrize("service", ASKED)
async def test_a_service_that_nobody_vouches_for_is_not_asked(
    service: str, own: Settings, stranger: Server, tmp_path: Path, no_waits: None
) -> None:
    services = Services(own)
    with pytest.raises((ServiceError, RetryableError), match=NOT_TRUSTED):
        await ASKED[service](services, tmp_path / "file")
    await services.aclose()
    assert stranger.requests == []


async def test_nor_is_gemini(own: Settings, stranger: Server, no_waits: None) -> None:
    services = Services(own.model_copy(update={"image_provider": "gemini"}))
    assert services.images is not None
    with pytest.raises(ServiceError, match=NOT_TRUSTED):
        await services.images.generate(PICTURE)
    await services.aclose()
    assert stranger.requests == []


async def test_nor_are_channels(own: Settings, stranger: Server) -> None:
    found = channels(own, redactor(own.secrets()))
    assert [one.name for one in found] == ["Slack", "Discord", "Sentry"]
    for channel in found:
        with pytest.raises(ServiceError, match=NOT_TRUSTED):
            await channel.send(NOTICE)
        await channel.aclose()
    assert stranger.requests == []


async def test_nor_are_those_that_check_looks_at(own: Settings, stranger: Server) -> None:
    for vendor in VENDORS:
        key = vendor.key(own)
        assert key is not None
        [answer] = await ask(vendor, own, key, vendor.questions(own))
        assert answer.row is UNREACHABLE
        assert NOT_TRUSTED.search(answer.quoted)
    probe = SupabaseProbe(own)
    with pytest.raises(ServiceError, match=NOT_TRUSTED):
        await probe.buckets()
    await probe.aclose()
    assert stranger.requests == []


def test_checks_are_switched_off_in_one_place_alone() -> None:
    off = re.compile(r"verify=False|CERT_NONE|check_hostname *= *False|ssl_cert_reqs|_create_unver")
    folders = ("bullmq_consumer", "config", "core", "services", "handlers", "runtime", "commands")
    files = [ROOT / "worker.py", *(f for one in folders for f in (ROOT / one).rglob("*.py"))]
    found = {str(file.relative_to(ROOT)) for file in files if off.search(file.read_text("utf-8"))}
    assert found == {"bullmq_consumer/redis/address.py", "config/validators/redis_url.py"}
