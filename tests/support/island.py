"""An internet of its own, in which every address there is leads to this process.

In a network namespace the kernel takes all addresses for local ones, and a name server of ours
answers the system's resolver. Whatever a client reaches, and by which address, is seen here: also
what it must not reach. Run as a program it writes what it has seen to standard output.
"""

import asyncio
import json
import re
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import httpx
import trustme
from PIL import Image

from config.settings import Settings
from services.net.content import Kind
from services.net.downloads import Downloads
from tests.support.names import A, Names
from tests.support.server import Answer, Server, response
from tests.support.urls import BENIGN, HOSTILE, PUBLIC

NAMESPACES = ("unshare", "--user", "--map-root-user", "--net", "--mount")
COMMAND = (*NAMESPACES, sys.executable, "-m", "tests.support.island")

_ORIGIN = "https://origin.example.com/start"
_REBINDING = "https://rebinding.example.com"
_PORTS = {443} | {int(port) for one in HOSTILE for port in re.findall(r":([0-9]{2,4})/", one.url)}


@dataclass
class Seen:
    """What became of a visit, and what was seen of it from outside."""

    error: str = ""
    message: str = ""
    # Address and port of each connection that came in.
    reached: list[tuple[str, int]] = field(default_factory=list)
    # Request line and Host of each request.
    requests: list[tuple[str, str]] = field(default_factory=list)
    # How often the system's resolver asked for the IPv4 addresses of each name.
    resolved: dict[str, int] = field(default_factory=dict)


class Pictures(Server):
    """Has a picture at every path but those that have answers."""

    def __init__(self) -> None:
        super().__init__()
        out = BytesIO()
        Image.new("RGB", (8, 8)).save(out, "JPEG")
        self._picture = response(out.getvalue(), content_type="image/jpeg")

    def _next(self, path: str) -> Answer:
        return super()._next(path) if path in self.answers else self._picture


class Island:
    """The world as a client meets it, and the real guard in it."""

    def __init__(self, folder: Path, ca: trustme.CA) -> None:
        self.names = Names()
        self.server = Pictures()
        self.tls = _tls(ca)
        self.reached: list[tuple[str, int]] = []
        self._folder = folder
        self.ca_file = folder / "ca.pem"
        ca.cert_pem.write_to_path(str(self.ca_file))
        self._downloads = Downloads(
            Settings(
                SUPABASE_URL="https://x.supabase.co",
                SUPABASE_SERVICE_KEY="key",
                SSL_CERT_FILE=str(self.ca_file),
            )
        )

    async def fetch(self, url: str) -> None:
        into, deadline = self._folder / "picture", timedelta(seconds=10)
        await self._downloads.fetch(
            url, into, max_bytes=1_000_000, accept=Kind.IMAGE, deadline=deadline
        )

    async def seen_of(self, *visits: Callable[[], Awaitable[object]]) -> Seen:
        """What is seen of these visits, one after the other."""
        for log in (self.reached, self.server.requests, self.names.asked):
            log.clear()
        seen = Seen()
        try:
            for visit in visits:
                await visit()
        except Exception as error:
            seen.error, seen.message = type(error).__name__, str(error)
        seen.reached = list(self.reached)
        seen.requests = [(one.line, one.headers["host"]) for one in self.server.requests]
        asked = [name for name, kind in self.names.asked if kind == A]
        seen.resolved = {name: asked.count(name) for name in asked}
        return seen

    async def seen_of_fetching(self, url: str) -> Seen:
        return await self.seen_of(lambda: self.fetch(url))

    async def let_in(self, family: int, port: int) -> None:
        """Serve whoever comes to this port, at any address, and note at which."""
        listener = socket.create_server(("", port), family=socket.AddressFamily(family))
        listener.setblocking(False)
        guests: set[asyncio.Task[None]] = set()
        while True:
            guest, _ = await asyncio.get_running_loop().sock_accept(listener)
            self.reached.append(guest.getsockname()[:2])
            guests.add(asyncio.create_task(self._serve(guest)))

    async def _serve(self, guest: socket.socket) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader, self.server.serve)
        loop = asyncio.get_running_loop()
        with suppress(OSError):  # one who goes before TLS is there
            await loop.connect_accepted_socket(lambda: protocol, guest, ssl=self.tls)


def _tls(ca: trustme.CA) -> ssl.SSLContext:
    """A certificate for whatever name is asked for."""
    contexts: dict[str, ssl.SSLContext] = {}

    def choose(connection: ssl.SSLObject, name: str | None, _: object) -> None:
        name = name or "no-name.example.com"
        if name not in contexts:
            contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            first, _, domain = name.partition(".")
            # No certificate is made for such a name alone, but hosts of that kind have a wildcard.
            is_odd = "_" in first or "---" in first
            ca.issue_cert(f"*.{domain}" if is_odd else name).configure_cert(contexts[name])
        connection.context = contexts[name]

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.sni_callback = choose
    return tls


def settle(folder: Path) -> None:
    """Take all addresses, and the system's resolver; only in namespaces of its own."""
    _run("ip link set lo up")
    _run("ip route add local 0.0.0.0/0 dev lo")
    _run("ip -6 route add local ::/0 dev lo")
    for name, content in (
        ("resolv.conf", "nameserver 127.0.0.1\n"),
        ("hosts", "127.0.0.1 localhost\n"),
        ("nsswitch.conf", "hosts: files dns\n"),
    ):
        (folder / name).write_text(content)
        _run(f"mount --bind {folder / name} /etc/{name}")


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Island]:
    island = Island(folder, trustme.CA())
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: island.names, local_addr=("127.0.0.1", 53))
    families = (socket.AF_INET, socket.AF_INET6)
    doors = [
        asyncio.create_task(island.let_in(family, port)) for family in families for port in _PORTS
    ]
    yield island
    for door in doors:
        door.cancel()


Visits = dict[str, Seen]


async def hostile(island: Island) -> Visits:
    """Each hostile URL."""
    found: Visits = {}
    for one in HOSTILE:
        island.names.turns = {"": [one.answers]}
        found[one.why] = await island.seen_of_fetching(one.url)
    return found


async def benign(island: Island) -> Visits:
    """Each benign URL."""
    found: Visits = {}
    for one in BENIGN:
        island.names.turns = {"": [one.answers]}
        found[one.why] = await island.seen_of_fetching(one.url)
    return found


async def redirected(island: Island) -> Visits:
    """Each hostile URL that fits a header, as where an innocent one leads to."""
    found: Visits = {}
    for one in HOSTILE:
        if one.fits_a_header:
            leads = response(b"", status="302 Found", location=one.url)
            island.server.on("/start", leads)
            island.names.turns = {"origin.example.com": [(PUBLIC,)], "": [one.answers]}
            found[one.why] = await island.seen_of_fetching(_ORIGIN)
    return found


async def rebound(island: Island) -> Visits:
    """A name that is public when it is first looked up, and local from then on."""
    island.names.turns = {
        "origin.example.com": [(PUBLIC,)],
        "rebinding.example.com": [(PUBLIC,), ("127.0.0.1",)],
    }
    island.server.on("/again", response(b"", status="302 Found", location="/a.jpg"))
    island.server.on("/start", response(b"", status="302 Found", location=f"{_REBINDING}/a.jpg"))
    url = f"{_REBINDING}/a.jpg"

    def fetch() -> Awaitable[None]:
        return island.fetch(url)

    def unguarded() -> Awaitable[None]:
        return _unguarded(island, url)

    return {
        "once": await island.seen_of(fetch),
        "twice": await island.seen_of(fetch, fetch),
        "to itself": await island.seen_of_fetching(f"{_REBINDING}/again"),
        "by a redirect, when it is local": await island.seen_of(
            fetch, lambda: island.fetch(_ORIGIN)
        ),
        "without a guard": await island.seen_of(unguarded, unguarded),
    }


async def _unguarded(island: Island, url: str) -> None:
    tls = ssl.create_default_context(cafile=str(island.ca_file))
    async with httpx.AsyncClient(verify=tls, trust_env=False) as client:
        await client.get(url)


async def main() -> None:
    scenes = (hostile, benign, redirected, rebound)
    with tempfile.TemporaryDirectory(prefix="island-") as folder:
        settle(Path(folder))
        async with opened(Path(folder)) as island:
            found = {scene.__name__: await scene(island) for scene in scenes}
    plain = {
        scene: {why: asdict(seen) for why, seen in visits.items()}
        for scene, visits in found.items()
    }
    json.dump(plain, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
