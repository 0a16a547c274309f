"""Each row of a vendor's table of codes, provoked at its stand-in."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import stamina
from redis.asyncio import Redis

from commands.checks.queue_redis import check
from config.consumer import queue_of
from config.settings import Settings
from core.alert import Alert
from core.errors import ContentRejected, PermanentError, ProviderDown, ServiceError
from core.unknown_codes import unknown_codes
from sandbox.providers.client import IMAGES
from sandbox.providers.vendors.ark_answers import ARK_ANSWERS, ArkAnswer
from services.codes.kept import keep, kept
from services.codes.modelark import PICTURES
from services.codes.rules import Rule, Verdict
from services.images.base import ImageRequest
from services.images.seedream import Seedream
from services.net.downloads import Downloads
from services.net.http import service_error
from tests.support.site import Site

VERDICTS = {
    "late reference": Verdict.NOT_FETCHED,
    "late reference, other words": Verdict.NOT_FETCHED,
    "check failed": Verdict.PASSING,
    "prompt refused": Verdict.REFUSED,
    "picture refused": Verdict.REFUSED,
    "reference refused": Verdict.REFUSED,
    "risk": Verdict.REFUSED,
    "refused without a code": Verdict.REFUSED,
    "no reference": Verdict.REFERENCE,
    "wrong parameter": Verdict.WRONG,
    "wrong size": Verdict.WRONG,
    "missing parameter": Verdict.WRONG,
    "wrong key": Verdict.ACCOUNT,
    "account closed": Verdict.ACCOUNT,
    "account overdue": Verdict.ACCOUNT,
    "wrong authorization": Verdict.ACCOUNT,
    "wrong credential": Verdict.ACCOUNT,
    "wrong clock": Verdict.ACCOUNT,
    "service overdue": Verdict.ACCOUNT,
    "service not open": Verdict.ACCOUNT,
    "no rights": Verdict.ACCOUNT,
    "model of another region": Verdict.ACCOUNT,
    "model not open": Verdict.ACCOUNT,
    "no model": Verdict.ACCOUNT,
    "endpoint closed": Verdict.ACCOUNT,
    "spending limit": Verdict.ACCOUNT,
    "allowance used up": Verdict.ACCOUNT,
    "free trial used up": Verdict.ACCOUNT,
    "queue full": Verdict.LIMIT,
    "requests a minute": Verdict.LIMIT,
    "pictures a minute": Verdict.LIMIT,
    "burst": Verdict.LIMIT,
    "too many in flight": Verdict.LIMIT,
    "overloaded": Verdict.PASSING,
    "internal error": Verdict.ONCE_MORE,
    "401 of a gateway": Verdict.ACCOUNT,
    "402 of a gateway": Verdict.ACCOUNT,
    "403 of an edge": Verdict.ACCOUNT,
    "524 of an edge": Verdict.BILLED,
    "nothing there": Verdict.ACCOUNT,
    "moved": Verdict.ACCOUNT,
    "not a POST": Verdict.ACCOUNT,
    "429 of an edge": Verdict.LIMIT,
    "bad gateway": Verdict.BILLED,
    "gateway time-out": Verdict.BILLED,
    "500 of a gateway": Verdict.BILLED,
    "503 of a gateway": Verdict.LATER,
    "503 of an envoy": Verdict.LATER,
    "another server error": Verdict.ONCE_MORE,
}
"""What each answer means, read from the vendor's pages and not from the table."""

POSTS = {Verdict.PASSING: 3, Verdict.NOT_FETCHED: 3, Verdict.LIMIT: 3, Verdict.ONCE_MORE: 2}
"""How often one call orders a picture that is answered so each time; once, if not said."""


@pytest.fixture(autouse=True)
def no_waits() -> Iterator[None]:
    """Retries follow at once, as many as the code asks for."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


@pytest.fixture
def alerts() -> list[Alert]:
    return []


@pytest.fixture
async def seedream(site: Site, alerts: list[Alert]) -> AsyncIterator[Seedream]:
    settings = Settings(**site.vidfab.settings(site.queue))
    assert settings.byteplus_key is not None
    downloads = Downloads(settings)
    provider = Seedream(settings, settings.byteplus_key, downloads, alerts.append)
    yield provider
    await provider.aclose()
    await downloads.aclose()


async def outcome_of(seedream: Seedream) -> Exception:
    with pytest.raises((ContentRejected, PermanentError, ProviderDown, ServiceError)) as raised:
        await seedream.generate(ImageRequest("A cat", "16:9"))
    return raised.value


def fits(verdict: Verdict, error: Exception, alerts: list[Alert]) -> bool:
    """Whether the error is what the verdict promises."""
    match verdict, error:
        case ((Verdict.REFUSED | Verdict.REFERENCE), ContentRejected()):
            return True
        case Verdict.WRONG, PermanentError():
            return not isinstance(error, ContentRejected)
        case Verdict.ACCOUNT, ProviderDown():
            return [one.kind.split()[:2] for one in alerts] == [["account", "refused"]]
        case Verdict.LIMIT, ProviderDown(delay=delay):
            return not alerts and delay.total_seconds() >= 60
        case ((Verdict.BILLED | Verdict.ONCE_MORE), ServiceError(retryable=True, billed=True)):
            return True
        case _, ServiceError(retryable=True, billed=False):
            return verdict in {Verdict.PASSING, Verdict.NOT_FETCHED, Verdict.LATER}
        case _:
            return False


@pytest.mark.parametrize("name", VERDICTS)
async def test_each_answer_is_judged_as_the_vendor_means_it(
    site: Site, seedream: Seedream, alerts: list[Alert], name: str
) -> None:
    answer, verdict = ARK_ANSWERS[name], VERDICTS[name]
    await site.vidfab.providers.control.fail(IMAGES, answer.status, body=answer.body)
    error = await outcome_of(seedream)
    assert fits(verdict, error, alerts), repr(error)
    orders = await site.vidfab.providers.control.requests(IMAGES)
    assert len(orders) == POSTS.get(verdict, 1)


async def test_a_code_that_no_row_names_goes_by_its_status_and_is_counted(
    site: Site, seedream: Seedream
) -> None:
    body = {"error": {"code": "ImagesAreTiredToday", "message": "Not now", "param": "", "type": ""}}
    await site.vidfab.providers.control.fail(IMAGES, 422, body=body)
    unknown_codes.note("Seedream", "of an earlier test")
    await unknown_codes.take()
    assert isinstance(await outcome_of(seedream), PermanentError)
    counts = await unknown_codes.take()
    assert counts == {("Seedream", "ImagesAreTiredToday"): 1}
    settings = Settings(**site.vidfab.settings(site.queue))
    async with Redis.from_url(site.redis.url, decode_responses=True) as redis:
        await keep(redis, queue_of(settings), counts)
        await keep(redis, queue_of(settings), counts)
        [finding] = [one for one in await check(settings) if "does not know" in one.text]
    assert finding.text == (
        "Seedream answered 1 code that this worker does not know: ImagesAreTiredToday (2×)"
    )


async def test_a_vendor_whose_codes_hold_ids_does_not_fill_redis(site: Site) -> None:
    settings = Settings(**site.vidfab.settings(site.queue))
    queue = queue_of(settings)
    async with Redis.from_url(site.redis.url, decode_responses=True) as redis:
        await keep(redis, queue, Counter({("X", f"E-{number}"): 1 for number in range(200)}))
        await keep(redis, queue, Counter({("X", "E-a"): 2, ("X", "E-b"): 3}))
        found = (await kept(redis, queue))["X"]
    assert len(found) == 201
    assert found["(others)"] == 5


def test_every_answer_of_the_stand_in_is_walked() -> None:
    assert VERDICTS.keys() == ARK_ANSWERS.keys()


@pytest.mark.parametrize("row", PICTURES, ids=lambda row: row.verdict.value)
def test_every_row_is_provoked_by_an_answer(row: Rule) -> None:
    assert any(first_row(answer) is row for answer in ARK_ANSWERS.values())


def first_row(answer: ArkAnswer) -> Rule | None:
    request = httpx.Request("POST", "http://127.0.0.1/x")
    body = {"text": answer.body} if isinstance(answer.body, str) else {"json": answer.body}
    response = httpx.Response(answer.status, request=request, **body)
    error = service_error("Seedream", "generate a picture", response)
    return next((row for row in PICTURES if row.fits(error)), None)
