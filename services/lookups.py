"""Looks up the addresses of names, so that silent name servers hold up nobody else.

The system's resolver cannot be interrupted: with servers that never answer it holds its thread for
20 s (two servers, twice 5 s each) and longer, also after the download has given up.
"""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from weakref import WeakValueDictionary

# Threads come into being as they are needed. One domain has so few of them that it takes 16 silent
# ones, each with four names asked for at once, to use up all.
_THREADS = 64
_OF_A_DOMAIN = 4
# Below these of a country, as in co.uk and com.cn, the domains are one label longer.
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gov", "net", "or", "org"})


class Lookups:
    """Look-ups in threads of their own, of which no domain can take all."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, "lookup")
        # Each lives while somebody waits for it or a look-up of its domain runs.
        self._domains: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def addresses(self, host: str, port: int) -> list[str]:
        """Without doubles, in the resolver's order. Raises OSError.

        Who gives up waiting frees no thread: that its look-up does when it ends.
        """
        domain = self._domains.setdefault(_domain(host), asyncio.Semaphore(_OF_A_DOMAIN))
        await domain.acquire()
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        lookup = asyncio.get_running_loop().run_in_executor(self._threads, ask)
        lookup.add_done_callback(lambda _: domain.release())
        found = await asyncio.shield(lookup)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _domain(host: str) -> str:
    """What one owner has, as far as a name shows it."""
    labels = host.split(".")
    is_below_country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if is_below_country else -2 :])
