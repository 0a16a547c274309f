"""Where a worker may be: how far from Redis and Supabase, and whether it speaks TLS with them."""

import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import trustme

from bench.contenders import CONCURRENCY, Contender, plain_worker, python_worker
from bench.distance.edge import edge
from bench.setup import Bench
from bench.site import Site
from sandbox.distant import Line, distant
from sandbox.processes import LOOPBACK, Process


@dataclass(frozen=True)
class Place:
    """Round trips in milliseconds."""

    redis_ms: float
    supabase_ms: float
    tls: bool = False

    @property
    def name(self) -> str:
        return f"{self.redis_ms:g}/{self.supabase_ms:g} ms{', TLS' if self.tls else ''}"

    @property
    def is_far(self) -> bool:
        return self.supabase_ms > 0


@dataclass(frozen=True)
class Trust:
    """A throwaway authority; `roots` are the sandbox's, the public ones and its own."""

    server: ssl.SSLContext
    roots: Path

    @classmethod
    def made(cls, bench: Bench) -> "Trust":
        authority = trustme.CA(organization_name="VidFab benchmark")
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = bench.folder / "server.pem"
        blob = authority.issue_cert(LOOPBACK).private_key_and_cert_chain_pem
        blob.write_to_path(str(certificate))
        server.load_cert_chain(certificate)
        roots = bench.folder / "roots.pem"
        known = bench.vidfab.providers.ca_bundle.read_bytes()
        roots.write_bytes(known + b"\n" + authority.cert_pem.bytes())
        return cls(server, roots)


@dataclass(frozen=True)
class Far:
    """A worker at work in a place, with lines to both servers; the app stays beside these."""

    site: Site
    supabase: Line
    supabase_url: str


Hire = Callable[[Mapping[str, str]], Contender]
"""A worker that is told this much more by its environment."""


def ours(bench: Bench) -> Hire:
    return lambda told: python_worker(bench.vidfab, bench.folder, **told)


def nodes(bench: Bench) -> Hire:
    def hire(told: Mapping[str, str]) -> Contender:
        roots = told["SSL_CERT_FILE"]
        return plain_worker(bench.vidfab, bench.folder, NODE_EXTRA_CA_CERTS=roots, **told)

    return hire


@dataclass(frozen=True)
class Land:
    """What all places have in common: the servers, and the authority that vouches for them."""

    bench: Bench
    trust: Trust

    @asynccontextmanager
    async def at(self, place: Place, hire: Hire) -> AsyncGenerator[Far]:
        """A worker in that place, which has come to rest."""
        lines = Line(place.redis_ms / 1000), Line(place.supabase_ms / 1000)
        async with self.behind(*lines, hire, tls=place.tls) as far:
            yield far

    @asynccontextmanager
    async def behind(
        self,
        redis: Line,
        supabase: Line,
        hire: Hire,
        *,
        tls: bool = False,
        concurrency: int = CONCURRENCY,
    ) -> AsyncGenerator[Far]:
        """The same, behind any lines."""
        vidfab, context = self.bench.vidfab, self.trust.server if tls else None
        safe = "s" if tls else ""
        async with AsyncExitStack() as parts:  # a worker stops before its lines do
            near = await parts.enter_async_context(
                edge(vidfab.supabase.port, context, keeps_idle=True)
            )
            port = await parts.enter_async_context(distant(near, supabase))
            supabase_url = f"http{safe}://{LOOPBACK}:{port}"
            worker = hire(
                {
                    **vidfab.providers.environment,
                    "SSL_CERT_FILE": str(self.trust.roots),
                    "SUPABASE_URL": supabase_url,
                }
            )

            async def new(redis_url: str, concurrency: int) -> Process:
                near = await parts.enter_async_context(edge(_port(redis_url), context))
                port = await parts.enter_async_context(distant(near, redis))
                return await worker.new(f"redis{safe}://{LOOPBACK}:{port}", concurrency)

            async with Site(replace(worker, new=new), concurrency) as site:
                await site.start_worker()
                yield Far(site, supabase, supabase_url)


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port
