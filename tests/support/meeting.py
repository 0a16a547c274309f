"""A Supabase at which requests that need not wait for each other have to meet."""

import asyncio
from collections import Counter

from starlette.requests import Request
from starlette.responses import Response

from sandbox.gateway import Gateway
from sandbox.processes import PATIENCE_S
from sandbox.supabase import SupabaseLite


class MeetingPoint(Gateway):
    """Requests of these kinds are first answered when all of them are there.

    A kind is the beginning of `METHOD /path`, named once for each of its requests; a repetition of
    a request is none of its own.
    """

    def __init__(self, supabase: SupabaseLite, *together: str) -> None:
        super().__init__(supabase)
        self._expected = Counter(together)
        self._came: dict[str, set[str]] = {kind: set() for kind in together}
        self._met = asyncio.Event()

    async def _pass_on(self, request: Request) -> Response:
        name = f"{request.method} {request.url.path}"
        kind = next((kind for kind in self._came if name.startswith(kind)), None)
        if kind is not None:
            self._came[kind].add(f"{name}?{request.url.query}")
            if all(len(self._came[one]) >= count for one, count in self._expected.items()):
                self._met.set()
            async with asyncio.timeout(PATIENCE_S):
                await self._met.wait()
        return await super()._pass_on(request)
