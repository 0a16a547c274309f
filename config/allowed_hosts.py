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
    """Read `name[:port]=address, …`. Raises ValueError with the entry that is wrong."""
    entries = (entry.strip() for entry in text.split(","))
    return AllowedHosts(dict(_entry(entry) for entry in entries if entry))


def _entry(entry: str) -> tuple[tuple[str, int], str]:
    target, _, address = entry.partition("=")
    host, _, port = target.strip().partition(":")
    try:
        number = int(port or "443")
        ipaddress.ip_address(address.strip())
    except ValueError:
        raise ValueError(f"cannot read the entry '{entry[:100]}'") from None
    if not host or not 1 <= number <= 65535:
        raise ValueError(f"cannot read the entry '{entry[:100]}'")
    return (host.lower(), number), address.strip()
