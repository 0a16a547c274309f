"""SSRF guard: checks every URL that we did not build ourselves.

`check_url` checks the text; `PinnedBackend` checks the addresses that a name resolves to and
connects to exactly those, so DNS rebinding gains nothing.
"""

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpcore
import httpx

from config.validators.allowed_hosts import AllowedHosts
from core.errors import UnsafeUrl
from services.net.lookups import Lookups
from services.net.sockets import AsyncioBackend

MAX_URL_LENGTH = 2048

Resolver = Callable[[str, int], Awaitable[list[str]]]

_HTTPS_PORT = 443
# Each may cost a whole connect time-out; real hosts answer at one of the first.
_MAX_ADDRESSES = 4
_AUTHORITY = re.compile(r"[^:/?#]*://([^/?#]*)")
# File names hold wide spaces, and the joiners of emoji and Indic scripts; they get encoded.
_JOINERS_AND_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\u200c\u200d]")
# `int` reads the digits of any script, and so a port that does not look like one.
_ODD_PORT = re.compile(r":(?![0-9]*$)[^:\]]*$")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# A last label of this form makes it an IPv4 address to `inet_aton`, which reads 2130706433, 0x7f.1
# and 0177.0.0.1 alike; no top-level domain has it.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL_SUFFIXES = (
    ".localhost", ".local", ".localdomain", ".internal", ".intranet", ".private", ".lan", ".home",
    ".corp", ".arpa", ".test", ".invalid", ".onion", ".svc", ".consul", ".docker",
)  # fmt: skip
_METADATA_HOSTS = frozenset({"metadata.goog", "metadata.azure.com", "metadata.tencentyun.com"})

# Ranges that `is_global` and `is_reserved` allow in some version of Python, although they are
# internal or serve no files.
_FORBIDDEN = [
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's wire server: from inside, it hands out a machine's secrets
        "192.0.0.0/24",  # IETF protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3ffe::/16",  # 6bone, returned
        "3fff::/20",  # documentation
    )
]
# All other IPv6 is mapped, compatible or translated IPv4, NAT64, local, or not given out.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# An interface id of this form holds an IPv4 address, to which ISATAP tunnels.
_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")


@dataclass(frozen=True, slots=True)
class CheckedUrl:
    """A URL whose text is acceptable; its addresses are checked when connecting.

    `url` goes to the client as it is, so that the text is parsed only once.
    """

    url: httpx.URL
    host: str
    port: int

    def __str__(self) -> str:
        """For messages: without the query, which may hold a signature."""
        path = self.url.raw_path.partition(b"?")[0].decode("ascii")
        return f"https://{self.host}{path[:200]}"


def check_url(url: str, allowed: AllowedHosts) -> CheckedUrl:
    """Check a URL by its text. Raises UnsafeUrl with one sentence."""
    _check_text(url)
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode("ascii").removesuffix(".")
    except (httpx.InvalidURL, UnicodeError):  # the second for a zone in other digits
        raise UnsafeUrl("the address cannot be read as a URL") from None
    if parsed.scheme != "https":
        raise UnsafeUrl("only https addresses are fetched")
    port = _HTTPS_PORT if parsed.port is None else parsed.port
    if allowed.address_of(host, port) is None:
        _check_host(host)
        if port != _HTTPS_PORT:
            raise UnsafeUrl(f"port {port} is not allowed, only {_HTTPS_PORT}")
    return CheckedUrl(parsed.copy_with(host=host), host, port)


def check_redirect(url: CheckedUrl, location: str, allowed: AllowedHosts) -> CheckedUrl:
    """Check a redirect's target, as strictly as any URL. Raises UnsafeUrl.

    Servers put file names there unencoded: spaces are tolerated.
    """
    target = location.replace(" ", "%20")
    if target.startswith("//"):
        target = f"https:{target}"
    elif not _ABSOLUTE.match(target):
        _check_characters("", target)  # `urljoin` drops some
        target = urljoin(str(url.url), target)
    return check_url(target, allowed)


def is_allowed_address(text: str) -> bool:
    """Whether an IP address, in any notation, is on the public internet."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv6Address) and not _is_unicast(address):
        return False
    return not any(address in network for network in _FORBIDDEN)


def _is_unicast(address: ipaddress.IPv6Address) -> bool:
    if address not in _GLOBAL_UNICAST or address.scope_id is not None:
        return False
    return address.packed[8:12] not in _ISATAP


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Resolves a name, refuses it if any address is not public, connects to one that it checked.

    TLS still checks the certificate against the name. `resolve` maps (host, port) to addresses.
    """

    def __init__(self, allowed: AllowedHosts, resolve: Resolver | None = None) -> None:
        self._allowed = allowed
        self._resolve = resolve or Lookups().addresses
        self._inner = AsyncioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a checked address. Raises UnsafeUrl, or httpcore's connect errors."""
        failure: Exception | None = None
        for address in (await self._addresses(host, port, timeout))[:_MAX_ADDRESSES]:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise UnsafeUrl("local sockets are not fetched from")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def _addresses(self, host: str, port: int, timeout: float | None) -> list[str]:
        vouched = self._allowed.address_of(host, port)
        if vouched is not None:
            return [vouched]
        try:
            async with asyncio.timeout(timeout):
                found = await self._resolve(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"the name {host} was not resolved in time") from None
        except OSError as error:
            raise httpcore.ConnectError(f"the name {host} cannot be resolved: {error}") from error
        if not all(is_allowed_address(address) for address in found):
            raise UnsafeUrl(f"{host} leads to an address that is not on the public internet")
        return found


def _check_text(url: str) -> None:
    if len(url) > MAX_URL_LENGTH:
        raise UnsafeUrl(f"the address is longer than {MAX_URL_LENGTH} characters")
    found = _AUTHORITY.match(url)
    authority = found[1] if found else ""
    path = url[found.end() :] if found else ""
    _check_characters(url.removesuffix(path), path)
    if "@" in authority:
        raise UnsafeUrl("the address must not hold a user name or password")
    if _ODD_PORT.search(authority):
        raise UnsafeUrl("the port is not a number")


def _check_characters(authority: str, path: str) -> None:
    seen = authority + _JOINERS_AND_SPACES.sub("", path)
    if not seen.isprintable() or "\\" in seen or " " in seen:
        raise UnsafeUrl("the address holds spaces, backslashes or control characters")


def _check_host(host: str) -> None:
    labels = host.split(".")
    if ":" in host or _NUMBER.fullmatch(labels[-1]):
        raise UnsafeUrl("IP literal is not allowed, only a host name")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UnsafeUrl("the host name is not a valid one")
    is_local = len(labels) == 1 or host.endswith(_LOCAL_SUFFIXES)
    if is_local or host in _METADATA_HOSTS:
        raise UnsafeUrl("local and internal host names are not allowed")
