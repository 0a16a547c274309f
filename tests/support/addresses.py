"""Addresses that nothing of ours may reach, and the many ways to write them as a host.

Written down apart from the guard, from IANA's registries, so that one can be held to the other.
"""

import ipaddress
import re

from hypothesis import strategies as st

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_INSIDE = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32",
    "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64",
    "2001::/32", "2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "2002::/16",
    "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)  # fmt: skip
_NETWORKS = [ipaddress.ip_network(text) for text in _INSIDE]
# What a name of an innocent host may lead to.
_OUTSIDE = [
    ipaddress.ip_network(text)
    for text in ("8.8.8.0/24", "93.184.216.0/24", "151.101.0.0/16", "2606:4700::/44", "2a00::/20")
]


def is_inside(address: Address) -> bool:
    """By comparing numbers, not by what Python knows of networks."""
    return any(
        network.version == address.version
        and int(address) >> (bits := network.max_prefixlen - network.prefixlen)
        == int(network.network_address) >> bits
        for network in _NETWORKS
    )


inside = st.sampled_from(_NETWORKS).flatmap(lambda network: st.ip_addresses(network=network))
outside = st.sampled_from(_OUTSIDE).flatmap(lambda network: st.ip_addresses(network=network))


@st.composite
def spellings(draw: st.DrawFn, addresses: st.SearchStrategy[Address]) -> str:
    """A host that some reader takes for one of the addresses."""
    address = draw(addresses)
    if isinstance(address, ipaddress.IPv6Address):
        return _disguised(draw, f"[{draw(_spelled_6(address))}]")
    text = draw(_spelled_4(address))
    return _disguised(draw, text) + draw(st.sampled_from(["", "", ".", "\u3002", "\uff0e"]))


def _spelled_4(address: ipaddress.IPv4Address) -> st.SearchStrategy[str]:
    """As `inet_aton` reads it: one to four parts, each in one of three bases."""
    number, parts = int(address), address.packed

    def of_parts(count: int) -> st.SearchStrategy[str]:
        last = number & ((1 << 8 * (5 - count)) - 1)
        numbers = [*parts[: count - 1], last]
        return st.tuples(*map(_in_some_base, numbers)).map(".".join)

    return st.integers(1, 4).flatmap(of_parts)


def _in_some_base(number: int) -> st.SearchStrategy[str]:
    return st.sampled_from([
        str(number), hex(number), hex(number).upper(), f"0{number:o}", f"000{number}",
        f"0x000{number:x}",
    ])  # fmt: skip


def _spelled_6(address: ipaddress.IPv6Address) -> st.SearchStrategy[str]:
    dotted = str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    with_four = re.sub(r":[0-9a-f]{4}:[0-9a-f]{4}$", f":{dotted}", address.exploded)
    texts = [address.compressed, address.exploded, address.compressed.upper(), with_four]
    return st.sampled_from([*texts, f"{address}%25eth0", f"{address}%eth0"])


_DIGITS = ("\uff10", "\u0660", "\U0001d7ce", "\U0001d7d8")
_DOTS = (".", "\u3002", "\uff0e", "\uff61", "%2e", "\u2024")


def _disguised(draw: st.DrawFn, text: str) -> str:
    """Some digits and dots in another script or encoded."""
    if draw(st.booleans()):
        return text
    zero, dot = draw(st.sampled_from(_DIGITS)), draw(st.sampled_from(_DOTS))
    chosen = draw(st.sampled_from([0, 1, 2]))
    if chosen == 0:
        return re.sub("[0-9]", lambda found: chr(ord(zero) + int(found[0])), text)
    if chosen == 1:
        return text.replace(".", dot)
    return re.sub("[0-9a-f]", lambda found: f"%{ord(found[0]):02x}", text, count=draw(_COUNT))


_COUNT = st.integers(1, 4)
_label = st.from_regex(r"[a-zA-Z0-9_\u00e4\u00fc\u4f8b\u00df-]{1,20}", fullmatch=True)
good_names = st.from_regex(r"[a-z0-9]{1,20}\.example\.(com|org)", fullmatch=True)
names = st.lists(_label, min_size=1, max_size=4).map(".".join)


@st.composite
def urls(draw: st.DrawFn, hosts: st.SearchStrategy[str]) -> str:
    """A URL of such a host, in a form that is often odd."""
    scheme = draw(st.sampled_from(["https", "https", "https", "HTTPS", "http", "ftp"]))
    login = draw(st.sampled_from(["", "", "", "", "u@", "u:p@", "example.com@", "@"]))
    port = draw(st.sampled_from(["", "", "", ":443", ":80", ":6379", ":", ":0443", ":\u0664"]))
    rest = draw(st.sampled_from(["", "/", "/a.jpg", "?a=@b", "#@c", "/%2e%2e/", "\\a", "/a b"]))
    return f"{scheme}://{login}{draw(hosts)}{port}{rest}"
