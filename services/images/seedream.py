"""BytePlus ModelArk: Seedream pictures.

`POST {base}/images/generations` answers when the picture is there, about 15 s later. It is billed
even when the response is not awaited, and has no idempotency key.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
from pydantic import BaseModel, SecretStr, ValidationError

from config.settings import Settings
from core.alert import AlertSink, no_alerts
from core.errors import PermanentError, ServiceError
from core.meter import bill
from core.people import Cause
from services.byteplus import BYTEPLUS
from services.codes.modelark import PICTURES
from services.codes.rules import Verdict, judged, judgement
from services.images.base import ImageRequest, ImageUrl
from services.images.references import References
from services.images.seedream_models import family_of
from services.net.circuit import Circuit
from services.net.http import new_client, one_line, service_error, transport_error
from services.net.told import Told

if TYPE_CHECKING:
    from services.net.downloads import Downloads

_SERVICE = "Seedream"
_OPERATION = "generate a picture"
_PICTURE = Told[ImageUrl](_SERVICE, "picture", lambda _: "made")

_TAKES = 1_000_000
# ModelArk counts requests and pictures by the minute.
_WINDOW = timedelta(minutes=1)
# What ModelArk itself reports as failed is more likely not to be made: it is bought once more, and
# counts as perhaps billed then.
_SERVER_ERRORS = 2


class _Error(BaseModel):
    code: str | None = None
    message: str | None = None


class _Item(BaseModel):
    url: str | None = None
    error: _Error | None = None


class _Answer(BaseModel):
    data: list[_Item] | None = None
    error: _Error | None = None


class Seedream:
    """Buys pictures from Seedream; references go as URLs that BytePlus fetches itself.

    Those that it could not fetch in time are sent with the next try.
    """

    name = "seedream"

    def __init__(
        self,
        settings: Settings,
        key: SecretStr,
        downloads: "Downloads",
        notify: AlertSink = no_alerts,
    ) -> None:
        self._circuit = Circuit(_SERVICE, window=_WINDOW, notify=notify)
        self._downloads = downloads
        self._model = settings.byteplus_image_model
        self._family = family_of(self._model)
        self.max_references = self._family.references
        self._attempts = settings.byteplus_image_max_retries + 1
        self._client = new_client(
            settings,
            service=_SERVICE,
            base_url=settings.byteplus_url,
            headers=BYTEPLUS.headers(key.get_secret_value()),
            timeout=httpx.Timeout(settings.byteplus_image_timeout_ms / 1000, connect=10),
        )

    async def generate(self, request: ImageRequest) -> ImageUrl:
        """Buy one picture; its URL lives 24 h.

        Raises ContentRejected, PermanentError for a wrong request, or ServiceError.
        """
        references = References(request.references[: self.max_references], self._downloads)
        order = _Order(self._body(request), references, request.request_id)
        with bill(_SERVICE, "picture"):
            return await _PICTURE.with_retries(
                lambda: self._generate(order), attempts=self._attempts, circuit=self._circuit
            )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _generate(self, order: "_Order") -> ImageUrl:
        body = await order.sent()
        try:
            response = await self._client.post(
                "/images/generations", json=body, headers=order.headers()
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise transport_error(_SERVICE, _OPERATION, error) from error
        except httpx.HTTPError as error:
            # The request was sent: the picture may be made, and charged, without us.
            raise transport_error(_SERVICE, _OPERATION, error, billed=True) from error
        if response.status_code != httpx.codes.OK.value:
            raise order.refused(service_error(_SERVICE, _OPERATION, response))
        return _picture(response)

    def _body(self, request: ImageRequest) -> dict[str, object]:
        """The fields that every Seedream accepts: the API has no negative prompt.

        `sequential_image_generation` and `stream` are left at their defaults, one picture in one
        piece: Seedream 5.0 Pro and Flash refuse a request that names them.

        Equal requests may be served from a cache, but a new version of a shot has to be another
        picture: the take number makes each request unique (not every Seedream accepts a `seed`).
        """
        return {
            "model": self._model,
            "prompt": f"Take {secrets.randbelow(_TAKES)}. {request.prompt}",
            "size": self._size(request.aspect_ratio),
            "response_format": "url",
            "watermark": False,
        }

    def _size(self, aspect_ratio: str) -> str:
        size = self._family.sizes.get(aspect_ratio)
        if size is None:
            found = f"Seedream has no size for the aspect ratio {one_line(aspect_ratio)}"
            raise PermanentError(found, cause=Cause.OUR_SIDE)
        return size


@dataclass(slots=True)
class _Order:
    """One picture, as it is ordered from try to try."""

    body: dict[str, object]
    references: References
    request_id: str
    tries: int = 0
    server_errors: int = 0

    def headers(self) -> dict[str, str]:
        """With an id of our own for this try, which the vendor's support finds it by."""
        self.tries += 1
        return {"x-client-request-id": f"{self.request_id}-{self.tries}"} if self.request_id else {}

    async def sent(self) -> dict[str, object]:
        """The request's body."""
        sent = await self.references.sent()
        image = sent[0] if len(sent) == 1 else sent
        return {**self.body, "image": image} if sent else self.body

    def refused(self, error: ServiceError) -> Exception:
        """The error to raise; what it means for the next try is noted."""
        verdict = judged(error, PICTURES)
        if verdict is Verdict.NOT_FETCHED:
            self.references.were_not_fetched()
        if verdict is Verdict.ONCE_MORE:
            self.server_errors += 1
            error.billed = self.server_errors >= _SERVER_ERRORS
        return judgement(error, verdict)


def _picture(response: httpx.Response) -> ImageUrl:
    """The first picture of a 200 response, which may hold an error instead."""
    try:
        answer = _Answer.model_validate_json(response.content)
    except ValidationError:
        raise _unusable("an answer that cannot be read") from None
    item = next(iter(answer.data or []), _Item())
    error = answer.error or item.error
    if error is not None:
        raise _error_in_answer(error)
    if not item.url:
        raise _unusable("an answer without a picture")
    return ImageUrl(item.url)


def _error_in_answer(error: _Error) -> Exception:
    """Of a 200: a refusal, or trouble of which nobody says whether it was billed."""
    message = one_line(error.message or error.code or "") or "the picture failed without a reason"
    found = ServiceError(_SERVICE, _OPERATION, message, code=error.code)
    verdict = judged(found, PICTURES)
    if verdict in {Verdict.REFUSED, Verdict.REFERENCE, Verdict.WRONG}:
        return judgement(found, verdict)
    found.billed = True
    return found


def _unusable(what: str) -> ServiceError:
    # Made and charged, but unavailable: a retry, now or later, would only pay again.
    what = f"{_SERVICE} gave {what}"
    return ServiceError(_SERVICE, _OPERATION, what, billed=True, cause=Cause.NO_RESULT)
