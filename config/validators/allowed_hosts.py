"""Hosts that the operator vouches for, such as an object store inside the own network.

The download guard refuses private addresses and odd ports; an entry `name:port=address` lets one
host through at one address, on one port.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """Maps (lower-case host name, port) to the address to connect to."""

    addresses: Mapping[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])

    def address_of(self, host: str, port: int) -> str | None:
        """The vouched address, or None when the guard's own rules apply."""
        return self.addresses.get((host.lower(), port))


def parse_allowed_hosts(text: str) -> AllowedHosts:
    """Read `name[:port]=address, …`. Raises ValueError with the number of a wrong entry."""
    entries = [entry.strip() for entry in text.split(",")]
    return AllowedHosts(dict(_entry(one, n) for n, one in enumerate(entries, 1) if one))


def _entry(entry: str, number: int) -> tuple[tuple[str, int], str]:
    wrong = ValueError(f"cannot read its entry {number}")  # not quoted: it may hold a password
    target, _, address = entry.partition("=")
    host, _, port = target.strip().partition(":")
    try:
        port_number = int(port or "443")
        ipaddress.ip_address(address.strip())
    except ValueError:
        raise wrong from None
    if not host or not 1 <= port_number <= 65535:
        raise wrong
    return (host.lower(), port_number), address.strip()
