"""Supabase behind a gateway that fails on demand, for the worker alone.

The app and the ledger talk to Supabase Lite itself; public reads pass, as a CDN serves them.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sandbox.gateway import Gateway
from sandbox.supabase import SupabaseLite

Kind = Literal["500", "503", "reset", "answer lost", "delay"]
"""`answer lost`: what was asked is done, and the connection reset before it is said."""


@dataclass
class Trouble:
    """Met by requests below `path`: by the next `times`, or by all for `seconds`."""

    kind: Kind
    path: str = "/"
    times: int = 1
    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        if self.seconds:
            return time.monotonic() - self.began > self.seconds
        return self.times <= 0

    def __str__(self) -> str:
        extent = f"for {self.seconds:.1f} s" if self.seconds else f"{self.times} times"
        return f"{self.kind} below {self.path} {extent}"


class TroubledSupabase(Gateway):
    """Passes everything on but for the troubles in force; `met` counts the requests they hit."""

    _DELAY_S = 2.0

    def __init__(self, supabase: SupabaseLite) -> None:
        super().__init__(supabase, resumable=False)
        self.met = 0
        self._troubles: list[Trouble] = []

    def trouble(self, trouble: Trouble) -> None:
        """From now on."""
        self._troubles = [*self._open_troubles(), trouble]

    def calm(self) -> None:
        """No more troubles."""
        self._troubles = []

    def _open_troubles(self) -> list[Trouble]:
        return [one for one in self._troubles if not one.is_over]

    def _met_by(self, request: Request) -> Kind | None:
        """The trouble of this request, used once by that."""
        if "apikey" not in request.headers:
            return None
        path = request.url.path
        found = next((one for one in self._open_troubles() if path.startswith(one.path)), None)
        if found is None:
            return None
        found.times -= 1
        self.met += 1
        return found.kind

    async def _pass_on(self, request: Request) -> Response:
        kind = self._met_by(request)
        if kind == "delay":
            await asyncio.sleep(self._DELAY_S)
        if kind == "answer lost":
            await self._done_in_silence(request)
        if kind in {"reset", "answer lost"}:
            self._connections.reset(request.scope)
            return Response(status_code=500)  # goes nowhere
        if kind in {"500", "503"}:
            return Response("Service Unavailable", int(kind))
        return await super()._pass_on(request)

    async def _done_in_silence(self, request: Request) -> None:
        answer = await super()._pass_on(request)
        # Read to its end, or Lite's connection would stay open.
        if isinstance(answer, StreamingResponse):
            async for _ in answer.body_iterator:
                pass
