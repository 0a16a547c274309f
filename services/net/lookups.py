"""DNS look-ups, isolated so that unresponsive name servers block no other domain's look-ups.

The system's resolver cannot be interrupted: with servers that never answer it holds its thread for
20 s (two servers, twice 5 s each) and longer, also after the download has given up. The threads are
daemons, so that they do not delay the worker's stop.
"""

import asyncio
import errno
import socket
from contextlib import AsyncExitStack, suppress
from threading import Thread
from weakref import WeakValueDictionary

# Threads are started on demand. A domain gets so few that it takes 16 unresponsive ones, each with
# four concurrent look-ups, to exhaust the pool.
_THREADS = 64
_OF_A_DOMAIN = 4
# Below these of a country, as in co.uk and com.cn, the domains are one label longer.
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gov", "net", "or", "org"})


class Lookups:
    """Look-ups in a bounded number of threads, few of them for any one domain."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_THREADS)
        # Each lives while something waits for it or a look-up of its domain runs.
        self._domains: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def addresses(self, host: str, port: int) -> list[str]:
        """Without duplicates, in the resolver's order. Raises OSError.

        A caller that gives up frees no thread: the look-up keeps it until it ends.
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

    def resolve() -> None:
        found: list[str] = []
        error: Exception | None = None
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except Exception as caught:  # whatever it is, it is raised where the look-up is awaited
            error = caught
        with suppress(RuntimeError):  # the loop is closed: nothing waits any more
            loop.call_soon_threadsafe(_deliver, answer, found, error)

    try:
        Thread(target=resolve, name="lookup", daemon=True).start()
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, "no thread is left to look up a name") from error
    return answer


def _deliver(answer: asyncio.Future[list[str]], found: list[str], error: Exception | None) -> None:
    if error is None:
        answer.set_result(found)
    else:
        answer.set_exception(error)


def _domain(host: str) -> str:
    """The part of a name that one owner has registered, as far as the name shows it."""
    labels = host.split(".")
    is_below_country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if is_below_country else -2 :])
