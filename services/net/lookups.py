"""Looks up the addresses of names, so that silent name servers hold up nobody else.

The system's resolver cannot be interrupted: with servers that never answer it holds its thread for
20 s (two servers, twice 5 s each) and longer, also after the download has given up. The threads are
daemons, so that a worker which was told to stop does not end so much later.
"""

import asyncio
import errno
import socket
from contextlib import AsyncExitStack, suppress
from threading import Thread
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
        self._places = asyncio.Semaphore(_THREADS)
        # Each lives while somebody waits for it or a look-up of its domain runs.
        self._domains: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def addresses(self, host: str, port: int) -> list[str]:
        """Without doubles, in the resolver's order. Raises OSError.

        Who gives up waiting frees no thread: that its look-up does when it ends.
        """
        domain = self._domains.setdefault(_domain(host), asyncio.Semaphore(_OF_A_DOMAIN))
        async with AsyncExitStack() as places:
            for place in (domain, self._places):
                await places.enter_async_context(place)
            lookup = _begin(host, port)
            places.pop_all()
        lookup.add_done_callback(lambda _: (domain.release(), self._places.release()))
        return await asyncio.shield(lookup)


def _begin(host: str, port: int) -> asyncio.Future[list[str]]:
    """Raises OSError when the machine has no thread left."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def ask() -> None:
        found: list[str] = []
        error: Exception | None = None
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except Exception as caught:  # whatever it is, who waits has to hear of it
            error = caught
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, answer, found, error)

    try:
        Thread(target=ask, name="lookup", daemon=True).start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, "no thread is left to look up a name") from error
    return answer


def _settle(answer: asyncio.Future[list[str]], found: list[str], error: Exception | None) -> None:
    if error is None:
        answer.set_result(found)
    else:
        answer.set_exception(error)


def _domain(host: str) -> str:
    """What one owner has, as far as a name shows it."""
    labels = host.split(".")
    is_below_country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if is_below_country else -2 :])
