"""HTTP for all services: one client factory, one error parser, one retry policy."""

import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TypeVar

import certifi
import httpx
import stamina
from loguru import logger
from pydantic import BaseModel, ValidationError
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from bullmq_consumer.safety import fence
from bullmq_consumer.sanitize.text import one_line
from config.settings import Settings
from core.deadline import may_wait
from core.errors import Reach, ServiceError
from services.net.answers import MAX_ANSWER_BYTES, BoundedTransport, UnusableAnswer
from services.net.circuit import Circuit
from services.net.google_api import Quota, quota_of
from services.net.metered import MeteredTransport
from services.net.pools import pooled

Answer = TypeVar("Answer")

# For how long an idle connection is kept: as httpx does, where a POST is billed. A request on a
# connection that the server is just closing counts as sent, so it is not repeated.
_IDLE_S = 5.0
# A job's concurrent requests besides those for pictures: va_sync_video_status polls five clips.
_REQUESTS_OF_A_JOB = 5

# Transient statuses; any 5xx is one too.
_TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
# Servers may demand minutes: the job goes back for that long.
_MAX_WAIT_S = 30.0
_REQUEST_ID_HEADERS = ("x-request-id", "x-tt-logid", "x-amzn-requestid")
_KEY_HEADERS = ("authorization", "apikey", "x-api-key", "x-goog-api-key")
# Nine digits are 30 years: more is nonsense that would overflow.
_SECONDS = re.compile(r"[0-9]{1,9}")


class _ErrorDetail(BaseModel):
    code: str | int | None = None
    status: str | int | None = None
    message: str | None = None


class _ErrorBody(_ErrorDetail):
    error: _ErrorDetail | str | None = None


def new_client(
    settings: Settings,
    *,
    service: str,
    timeout: httpx.Timeout,
    base_url: str = "",
    headers: Mapping[str, str] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    max_answer_bytes: int = MAX_ANSWER_BYTES,
) -> httpx.AsyncClient:
    """A client over HTTP/1.1 without proxies or cookies, trusting certifi or `SSL_CERT_FILE`.

    HTTP/2 was measured four times slower for uploads and breaks long-lived connections. Requests
    that change something are sent only while the running job is ours: others raise LockLost.
    `service` labels its requests in the metrics. Responses are bounded, compressed or not: see
    services/net/answers.py.
    """
    transport = transport or new_transport(settings)
    return httpx.AsyncClient(
        base_url=base_url,
        headers={"accept-encoding": "identity", **(headers or {})},
        # One job's cookies must not reach the next job's request.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        timeout=_without_pool_timeout(timeout),
        trust_env=False,
        transport=BoundedTransport(MeteredTransport(service, transport), max_answer_bytes),
        event_hooks={"request": [_check_fence]},
    )


def new_transport(settings: Settings, *, idle_s: float = _IDLE_S) -> httpx.AsyncBaseTransport:
    """Connections that clients may share; idle ones are kept for `idle_s`."""
    tls = tls_context(settings.ca_file)

    def pool(places: int) -> httpx.AsyncBaseTransport:
        limits = httpx.Limits(
            max_connections=places, max_keepalive_connections=places, keepalive_expiry=idle_s
        )
        return httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits)

    return pooled(pool, connections_of(settings))


def connections_of(settings: Settings) -> int:
    """How many at most: as many as the worker's jobs can use at the same time."""
    return settings.queue_concurrency * (settings.storyboard_concurrency + _REQUESTS_OF_A_JOB)


def _without_pool_timeout(timeout: httpx.Timeout) -> httpx.Timeout:
    """The same, without a limit on the wait for a connection: those in use have time-outs."""
    return httpx.Timeout(connect=timeout.connect, read=timeout.read, write=timeout.write, pool=None)


async def _check_fence(request: httpx.Request) -> None:
    if request.method not in _READING:
        await fence.check()


@lru_cache(maxsize=4)
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """A context that always checks certificates and host names."""
    return ssl.create_default_context(cafile=str(ca_file or certifi.where()))


def is_transient_status(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status in _TRANSIENT_STATUSES or status >= 500


def service_error(service: str, operation: str, response: httpx.Response) -> ServiceError:
    """The error in a response with an error status, whose body was read.

    Bodies: `{"error": {code | status, message}}`, `{"error": text}`, `{message}`, text, HTML.
    """
    code, message = _documented_error(response)
    status = response.status_code
    wait, quota = _retry_after(response), quota_of(response.content)
    return ServiceError(
        service,
        operation,
        one_line(_without_keys(message, response)) or f"{service} answered {status} to {operation}",
        status=status,
        code=code,
        request_id=_request_id(response),
        retryable=is_transient_status(status) and not quota.is_used_up,
        retry_after=quota.retry_after if wait is None else wait,
        reach=_reach(status, quota),
    )


def _reach(status: int, quota: Quota) -> Reach:
    if quota.is_used_up:
        return "account"
    return "limit" if status == httpx.codes.TOO_MANY_REQUESTS.value else "request"


def transport_error(
    service: str, operation: str, error: Exception, *, billed: bool = False
) -> ServiceError:
    """No usable response came. `billed`: the provider may have charged for the request."""
    if isinstance(error, httpx.LocalProtocolError):  # its text quotes headers, keys included
        reason = "the request cannot be sent, look for invalid characters in the key"
        return ServiceError(
            service, operation, f"{service} was not called to {operation}: {reason}"
        )
    if isinstance(error, UnusableAnswer):
        # The result may be charged for: a retry would pay again.
        message = f"{service} gave an answer that {error}"
        return ServiceError(service, operation, message, retryable=not billed, billed=billed)
    reason = str(error) or type(error).__name__
    return ServiceError(
        service,
        operation,
        one_line(f"{service} could not be reached to {operation}: {reason}"),
        retryable=True,
        billed=billed,
    )


async def with_retries(
    call: Callable[[], Awaitable[Answer]], *, attempts: int, circuit: Circuit
) -> Answer:
    """Call until it succeeds, at most `attempts` times, 0.5 to 8 s apart with jitter.

    Only a ServiceError that is retryable `at_once` and not billed is retried; a `retry_after` of up
    to 30 s is obeyed, a longer one ends the call, and nobody waits beyond the deadline of the job
    (core/deadline.py). Raises ProviderDown without a call while the service's circuit is open.
    """
    with circuit.call():
        return await _retried(call, attempts)


async def _retried(call: Callable[[], Awaitable[Answer]], attempts: int) -> Answer:
    retrying = stamina.retry_context(
        on=_may_retry,
        attempts=attempts,
        timeout=None,
        wait_initial=0.5,
        wait_max=8.0,
        wait_jitter=1.0,
    )
    async for attempt in retrying:
        with attempt:
            return await call()
    raise AssertionError("stamina ends with a result or an exception")


def _may_retry(error: Exception) -> bool | float:
    """Whether, or after how many seconds."""
    if not isinstance(error, ServiceError) or error.billed:
        return False
    if not error.retryable or not error.at_once:
        return False
    if error.retry_after is None:
        return may_wait(0)  # what stamina waits for is short
    wait_s = error.retry_after.total_seconds()
    return wait_s if wait_s <= _MAX_WAIT_S and may_wait(wait_s) else False


def _log_retry(details: RetryDetails) -> None:
    logger.warning("{}, trying again in {:.1f} s", details.caused_by, details.wait_for)


# In place of stamina's own hooks, which print to stderr.
set_on_retry_hooks([_log_retry])


def _documented_error(response: httpx.Response) -> tuple[str | None, str]:
    """Code and message of a JSON error body; of a page of HTML no message."""
    try:
        body = _ErrorBody.model_validate_json(response.content)
    except ValidationError:
        text = response.text
        return None, "" if text.lstrip()[:1] in {"<", "{", "["} else text
    detail = body.error or body
    if isinstance(detail, str):
        return None, detail
    # Google gives the HTTP status as code, and the error's name as status.
    code = detail.status or detail.code
    return (str(code) if code else None), detail.message or ""


def _without_keys(message: str, response: httpx.Response) -> str:
    """The message without our key, which the server may have quoted."""
    sent = (response.request.headers.get(name, "") for name in _KEY_HEADERS)
    for key in {value.removeprefix("Bearer ") for value in sent} - {""}:
        message = message.replace(key, "***")
    return message


def _request_id(response: httpx.Response) -> str | None:
    found = (response.headers.get(name) for name in _REQUEST_ID_HEADERS)
    return next((value for value in found if value), None)


def _retry_after(response: httpx.Response) -> timedelta | None:
    """Seconds or an HTTP date."""
    text = response.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment - datetime.now(UTC), timedelta(0))
