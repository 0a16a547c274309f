"""What Google's errors say of quotas, in their bodies."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from core.errors import ProviderDown, ServiceError
from sandbox.providers.vendors.errors import google_quota_error
from services.net.circuit import Circuit
from services.net.google_api import Quota, quota_of
from services.net.http import service_error, with_retries

NOTHING = Quota()


def quota(body: Any) -> Quota:
    return quota_of(json.dumps(body).encode())


def with_details(*details: Any, message: str = "no") -> dict[str, Any]:
    return {"error": {"code": 429, "message": message, "details": list(details)}}


def info(wait: Any) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": wait}


def failure(*ids: str) -> dict[str, Any]:
    kind = "type.googleapis.com/google.rpc.QuotaFailure"
    return {"@type": kind, "violations": [{"quotaId": one} for one in ids]}


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [("55s", 55), ("13.601s", 13.601), ("0s", 0), ("86400s", 86_400), ("0.000000001s", 1e-9)],
)
def test_the_wait_is_in_the_body(wait: str, seconds: float) -> None:
    assert quota(with_details(info(wait))) == Quota(timedelta(seconds=seconds))


@pytest.mark.parametrize("wait", ["", "55", "-1s", "soon", "1e3s", "5 s", f"{'9' * 30}s", "²s"])
def test_what_is_no_wait_is_none(wait: str) -> None:
    assert quota(with_details(info(wait))) == NOTHING


@pytest.mark.parametrize(
    ("ids", "is_used_up"),
    [
        (["GenerateRequestsPerMinutePerProjectPerModel"], False),
        (["GenerateContentInputTokensPerModelPerMinute-FreeTier"], False),
        (["GenerateRequestsPerDayPerProjectPerModel"], True),
        (["GenerateRequestsPerMinutePerProjectPerModel", "RequestsPerDay-FreeTier"], True),
        ([], False),
    ],
)
def test_a_quota_of_the_day_is_used_up(ids: list[str], is_used_up: bool) -> None:
    assert quota(with_details(failure(*ids))).is_used_up is is_used_up


@pytest.mark.parametrize(
    ("message", "is_used_up"),
    [
        ("Quota exceeded for metric: x, limit: 0, model: y", True),
        ("Quota exceeded for metric: x, limit: 0\nPlease retry in 5s.", True),
        ("Quota exceeded for metric: x, limit: 0.5, model: y", False),
        ("Quota exceeded for metric: x, limit: 10, model: y", False),
        ("Quota exceeded", False),
    ],
)
def test_no_quota_at_all_is_used_up(message: str, is_used_up: bool) -> None:
    found = quota(with_details(failure("PerMinute"), message=message))
    assert found.is_used_up is is_used_up
    assert quota(with_details(info("5s"), message=message)) == Quota(timedelta(seconds=5))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[" * 5000,
        b"null",
        b'{"error": "limit: 0"}',
        b'{"error": {"code": "X", "message": "limit: 0", "details": "PerDay"}}',
        b'{"error": {"message": null, "details": [{"@type": "google.rpc.RetryInfo"}]}}',
        json.dumps(with_details("RetryInfo", info("5s"))).encode(),
        json.dumps(with_details({**info("5s"), "@type": "somebody's.RetryInfo"})).encode(),
        json.dumps(with_details({**failure("PerDay"), "@type": "x"})).encode(),
    ],
)
def test_other_bodies_say_nothing(body: bytes) -> None:
    assert quota_of(body) == NOTHING


def too_many(body: Any, **headers: str) -> ServiceError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = httpx.Request("POST", "https://api.example.com/x")
    answered = httpx.Response(429, json=body, headers=named, request=request)
    return service_error("Gemini", "generate a picture", answered)


def test_the_errors_of_every_answer_have_it() -> None:
    error = too_many(google_quota_error("Minute", "55s").body)
    assert (error.retryable, error.reach) == (True, "limit")
    assert error.retry_after == timedelta(seconds=55)
    for is_zero in (False, True):
        used_up = too_many(google_quota_error("Day", "55s", is_zero=is_zero).body)
        assert (used_up.retryable, used_up.reach) == (False, "account")


@pytest.mark.parametrize("seconds", [0, 7])
def test_a_header_says_it_better(seconds: int) -> None:
    error = too_many(google_quota_error("Minute", "55s").body, retry_after=str(seconds))
    assert error.retry_after == timedelta(seconds=seconds)


def raising(error: ServiceError, calls: list[int]) -> Callable[[], Awaitable[str]]:
    async def call() -> str:
        calls.append(1)
        raise error

    return call


@pytest.mark.usefixtures("no_waits")
async def test_what_is_used_up_is_not_asked_for_again_within_a_call() -> None:
    calls: list[int] = []
    used_up = raising(too_many(google_quota_error("Day", "1s").body), calls)
    with pytest.raises(ProviderDown, match="Gemini refuses this account"):
        await with_retries(used_up, attempts=3, circuit=Circuit("Gemini"))
    assert len(calls) == 1
