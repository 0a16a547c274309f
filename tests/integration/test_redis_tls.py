"""A Redis over TLS: trusted by its certificate alone, or by the exception that has a name."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from config.consumer import UNCHECKED
from sandbox.processes import LOOPBACK, PATIENCE_S
from sandbox.worker_process import new_worker
from tests.support.cli import command
from tests.support.proxy import Proxy
from tests.support.recordings import USER
from tests.support.site import Site

REFUSED = "is not trusted (certificate verify failed: "
REMEDY = "name the root of its certificate in SSL_CERT_FILE, and the host that it is made for in"


@dataclass(frozen=True)
class TlsRedis:
    """VidFab's Redis behind TLS, by an authority that nobody knows; `ca` is its root."""

    port: int
    ca: Path

    def settings(self, site: Site, **more: str) -> dict[str, str]:
        url = f"rediss://{LOOPBACK}:{self.port}/0"
        return {**site.vidfab.settings(site.queue), "BULLMQ_REDIS_URL": url, **more}


async def serving(site: Site, folder: Path, name: str) -> AsyncIterator[TlsRedis]:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(tls)
    roots = folder / "roots.pem"
    providers = await asyncio.to_thread(site.vidfab.providers.ca_bundle.read_bytes)
    roots.write_bytes(providers + b"\n" + authority.cert_pem.bytes())
    async with Proxy(site.redis.port, tls) as proxy:
        yield TlsRedis(proxy.port, roots)


@pytest.fixture
async def tls_redis(site: Site, tmp_path: Path) -> AsyncIterator[TlsRedis]:
    async for redis in serving(site, tmp_path, LOOPBACK):
        yield redis


@pytest.fixture
async def misnamed(site: Site, tmp_path: Path) -> AsyncIterator[TlsRedis]:
    """Its certificate is good, and made for another host."""
    async for redis in serving(site, tmp_path, "redis.example"):
        yield redis


async def refusal(settings: dict[str, str], folder: Path) -> str:
    """The last line of a worker that refuses to start."""
    worker = new_worker(settings, folder)
    await worker.start()
    assert await worker.wait(PATIENCE_S) == 1
    return worker.log.read_text("utf-8").splitlines()[-1]


async def test_a_certificate_that_nobody_knows_is_refused(
    site: Site, tls_redis: TlsRedis, tmp_path: Path
) -> None:
    line = await refusal(tls_redis.settings(site), tmp_path)
    assert f"❌ Worker startup failed: Redis at rediss://{LOOPBACK}:" in line
    assert REFUSED in line
    assert REMEDY in line
    checked = await command(tls_redis.settings(site), "check")
    assert checked.code == 1
    assert REFUSED in " ".join(checked.out.split())


async def test_a_certificate_for_another_host_is_refused(
    site: Site, misnamed: TlsRedis, tmp_path: Path
) -> None:
    line = await refusal(misnamed.settings(site, SSL_CERT_FILE=str(misnamed.ca)), tmp_path)
    assert "IP address mismatch" in line


@pytest.mark.parametrize("way", ["root", "exception"])
async def test_jobs_run_over_tls(site: Site, tls_redis: TlsRedis, way: str) -> None:
    more = {"root": {"SSL_CERT_FILE": str(tls_redis.ca)}, "exception": {"REDIS_TLS_INSECURE": "1"}}
    settings = tls_redis.settings(site, **more[way])
    worker = await site.worker(**settings)
    job_id = await site.app.add(
        "update_quota", {"userId": USER, "operation": "add"}, {"priority": 4}
    )
    assert (await site.ended(job_id)).state == "completed"
    assert (UNCHECKED in worker.log.read_text("utf-8")) is (way == "exception")
    checked = await command(settings, "check", "--json")
    texts = [one["text"] for one in checked.document["checks"] if one["mark"] == "warning"]
    assert (UNCHECKED in texts) is (way == "exception")
