"""The control API in Python: what tests and the demo say to the stand-ins."""

from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import TypeAdapter

from sandbox.providers.models import (
    Fault,
    Limit,
    Match,
    Operation,
    OperationKind,
    Paid,
    Recorded,
    Timing,
)
from sandbox.providers.vendors.errors import google_quota_error

IMAGES = "/ark/api/v3/images/generations"
TASKS = "/ark/api/v3/contents/generations/tasks"
RENDERS = "/shotstack/render"
GEMINI = "/google/v1beta/models/*:generateContent"
PREDICTIONS = "/wavespeed/api/v3/predictions"
BALANCE = "/wavespeed/api/v3/balance"

_RECORDED = TypeAdapter(list[Recorded])


class Control:
    """Steers one process of stand-ins, at `http://127.0.0.1:{port}`."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=10)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._client.aclose()

    async def add(self, fault: Fault) -> None:
        """Any rule; the methods below are for the common ones."""
        await self._post("/control/faults", fault.model_dump(exclude_none=True))

    async def fail(
        self,
        path: str,
        status: int = 503,
        *,
        body: Any = None,
        nth: int | None = None,
        times: int | None = None,
        body_contains: str | None = None,
        headers: dict[str, str] | None = None,
        accepted: bool = False,
    ) -> None:
        """Answer with an error, in the vendor's documented shape unless a `body` is given."""
        await self.add(
            Fault(
                match=Match(path=path, body_contains=body_contains),
                nth=nth,
                times=times,
                status=status,
                body=body,
                headers=headers or {},
                accepted=accepted,
            )
        )

    async def break_off(
        self,
        path: str,
        after_bytes: int | None = None,
        *,
        nth: int | None = None,
        times: int | None = None,
        body_contains: str | None = None,
        accepted: bool = False,
    ) -> None:
        """Cut the answer after so many bytes of its body; None resets before the first."""
        await self.add(
            Fault(
                match=Match(path=path, body_contains=body_contains),
                nth=nth,
                times=times,
                truncate_bytes=after_bytes,
                reset=after_bytes is None,
                accepted=accepted,
            )
        )

    async def block_gemini(
        self,
        reason: str = "IMAGE_SAFETY",
        *,
        whole_prompt: bool = False,
        times: int | None = None,
        body_contains: str | None = None,
    ) -> None:
        """A refusal, or another end, as Gemini gives it: 200, and no picture."""
        blocked: dict[str, Any] = {"candidates": [{"finishReason": reason, "index": 0}]}
        if whole_prompt:
            blocked = {"promptFeedback": {"blockReason": reason}}
        await self.fail(GEMINI, 200, body=blocked, times=times, body_contains=body_contains)

    async def use_up_gemini(
        self, per: str = "Day", retry_delay: str = "30s", *, times: int | None = None
    ) -> None:
        """Answer that a quota is used up, of a `Minute` or a `Day`."""
        body = google_quota_error(per, retry_delay).body
        await self.fail(GEMINI, 429, body=body, times=times)

    async def delay(self, path: str, seconds: float) -> None:
        """From now on answers to `path` take at least so long, counted from the request."""
        await self._post("/control/delay", {"path": path, "seconds": seconds})

    async def timing(self, timing: Timing) -> None:
        """How long operations take from order to result, 2 s unless said; for new ones only."""
        await self._post("/control/timing", timing.model_dump(exclude_none=True))

    async def limit(self, requests: int | None) -> None:
        """From now on Shotstack takes so many requests a minute of a key, None for all."""
        await self._post("/control/limit", Limit(requests=requests).model_dump())

    async def register(
        self, kind: OperationKind, id: str, operation: Operation | None = None
    ) -> str | None:
        """Make known a task, prediction, operation or render. Returns its result's URL."""
        body = (operation or Operation()).model_dump(exclude_none=True)
        answer = await self._post(f"/control/{kind}/{id}", body)
        url: str | None = answer.json()["url"]
        return url

    async def requests(self, path: str = "*") -> list[Recorded]:
        """Those seen so far on the vendors' and the media host's paths that fit the glob."""
        answer = await self._client.get("/control/requests", params={"path": path})
        return _RECORDED.validate_json(answer.raise_for_status().content)

    async def paid(self) -> Paid:
        answer = await self._client.get("/control/paid")
        return Paid.model_validate_json(answer.raise_for_status().content)

    async def clear_faults(self) -> None:
        await self._delete("/control/faults")

    async def clear_delays(self) -> None:
        await self._delete("/control/delay")

    async def clear_requests(self) -> None:
        """Forget the requests and what was paid."""
        await self._delete("/control/requests")

    async def reset(self) -> None:
        """As after the start, but for the files."""
        await self._post("/control/reset", {})

    async def _post(self, path: str, body: Any) -> httpx.Response:
        return (await self._client.post(path, json=body)).raise_for_status()

    async def _delete(self, path: str) -> None:
        (await self._client.delete(path)).raise_for_status()
