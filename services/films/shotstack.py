"""Shotstack Edit v1: films rendered from a timeline.

`POST /render` is billed and has no idempotency key; `GET /render/{id}` is its state. A result has
no size, width or height, and its URL expires after 24 h.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from config.settings import Settings
from core.alert import AlertSink, no_alerts
from core.errors import ServiceError
from core.meter import bill
from services.accounts.shotstack import RENDER
from services.accounts.vendor import UNKNOWN_ID, Question, Vendor
from services.codes.rules import Verdict, judged
from services.codes.shotstack import RENDERS
from services.films.renders import Rendered, RenderFailed, Rendering, State, UnknownRender
from services.net.circuit import Circuit
from services.net.http import new_client, one_line, service_error, transport_error
from services.net.told import Told

_SERVICE = "Shotstack"
_SUBMIT = "render the video"
_POLL = "report the state of the render"
_TIMEOUT = httpx.Timeout(30, connect=10)
_ATTEMPTS = 4
# 300 requests a minute and key, 150 in the sandbox, without a Retry-After (shotstack.io/docs,
# limitations).
_WINDOW = timedelta(minutes=1)


class _Accepted(BaseModel):
    id: str


class _Render(BaseModel):
    status: str
    error: str | None = None
    url: str | None = None


class _AcceptedAnswer(BaseModel):
    response: _Accepted


class _RenderAnswer(BaseModel):
    response: _Render


class _Complaint(BaseModel):
    error: str = ""


class _Refusal(BaseModel):
    response: _Complaint


class _OwnRefusal(BaseModel):
    success: Literal[False]


Answer = TypeVar("Answer", bound=BaseModel)


def _questions(settings: Settings) -> tuple[Question]:
    base = settings.shotstack_url
    opens, url = f"accepts the key at {base}", f"{base}/render/{UNKNOWN_ID}"
    return (Question(opens, url, RENDER, where=base),)


SHOTSTACK = Vendor(
    _SERVICE,
    key_field="shotstack_key",
    serves="final videos",
    questions=_questions,
    headers=lambda key: {"x-api-key": key},
    has_substitute=True,  # ffmpeg on this machine
)


def _found(state: State) -> str:
    match state:
        case Rendering(stage=stage):
            return one_line(stage)
        case Rendered():
            return "done"
        case RenderFailed(message=message):
            return f'failed, "{message}"'


_ORDER = Told[str](_SERVICE, "order of a render", lambda _: "accepted")
_RENDER = Told[State](_SERVICE, "render", _found, is_polled=True)


class Shotstack:
    """Orders renders and polls them."""

    def __init__(self, settings: Settings, key: SecretStr, notify: AlertSink = no_alerts) -> None:
        self._circuit = Circuit(_SERVICE, window=_WINDOW, notify=notify)
        self._client = new_client(
            settings,
            service=_SERVICE,
            base_url=settings.shotstack_url,
            headers=SHOTSTACK.headers(key.get_secret_value()),
            timeout=_TIMEOUT,
        )

    async def submit(self, edit: Mapping[str, Any]) -> str:
        """Order a render; returns its id.

        Retries only what was certainly not accepted: 429, or no connection. Raises
        ServiceError: `billed` if the order may stand.
        """
        with bill(_SERVICE, "render"):
            return await _ORDER.with_retries(
                lambda: self._submit_once(edit), attempts=_ATTEMPTS, circuit=self._circuit
            )

    async def state(self, render_id: str) -> State:
        """The render's state. Raises UnknownRender or ServiceError."""
        return await _RENDER.with_retries(
            lambda: self._state_once(render_id), attempts=_ATTEMPTS, circuit=self._circuit
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _submit_once(self, edit: Mapping[str, Any]) -> str:
        try:
            response = await self._client.post("/render", json=dict(edit))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise transport_error(_SERVICE, _SUBMIT, error) from error
        except httpx.HTTPError as error:
            # The request was sent: the render may run, and be charged, without us.
            raise transport_error(_SERVICE, _SUBMIT, error, billed=True) from error
        _check(response, _SUBMIT)
        return _read(_AcceptedAnswer, response, _SUBMIT, billed=True).response.id

    async def _state_once(self, render_id: str) -> State:
        try:
            response = await self._client.get(
                # By default the whole order comes back as well.
                f"/render/{quote(render_id, safe='')}",
                params={"data": "false"},
            )
        except httpx.HTTPError as error:
            raise transport_error(_SERVICE, _POLL, error) from error
        if response.status_code == httpx.codes.NOT_FOUND.value:
            raise _not_found(response)
        _check(response, _POLL)
        return _state(_read(_RenderAnswer, response, _POLL).response)


def _check(response: httpx.Response, operation: str) -> None:
    if response.is_success:
        return
    error = service_error(_SERVICE, operation, response)
    if judged(error, RENDERS) is Verdict.ACCOUNT:
        error.reach = "account"
    # A gateway may have passed the order on, and no idempotency key identifies it.
    error.billed = operation == _SUBMIT and error.retryable and error.reach == "request"
    complaint = _complaint(response)
    if complaint:
        error.args = (f"{_SERVICE} refused to {operation}: {complaint}",)
    raise error


def _not_found(response: httpx.Response) -> Exception:
    """UnknownRender for Shotstack's own JSON; a 404 from anything else is transient."""
    try:
        _OwnRefusal.model_validate_json(response.content)
    except ValidationError:
        error = service_error(_SERVICE, _POLL, response)
        error.retryable = True
        return error
    return UnknownRender("Shotstack does not know the render (any more)")


def _complaint(response: httpx.Response) -> str:
    """The text in `{success, message, response: {error}}`."""
    try:
        return one_line(_Refusal.model_validate_json(response.content).response.error)
    except ValidationError:
        return ""


def _read(
    model: type[Answer], response: httpx.Response, operation: str, *, billed: bool = False
) -> Answer:
    try:
        return model.model_validate_json(response.content)
    except ValidationError:
        raise ServiceError(
            _SERVICE,
            operation,
            f"{_SERVICE} gave an answer that cannot be read",
            retryable=True,
            billed=billed,
        ) from None


def _state(render: _Render) -> State:
    if render.status == "failed":
        return RenderFailed(one_line(render.error or "") or "no reason given")
    if render.status != "done":
        return Rendering(render.status)
    return Rendered(render.url) if render.url else RenderFailed("it is done, but has no address")
