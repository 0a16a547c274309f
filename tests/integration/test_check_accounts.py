"""check --live: what it finds of an account, for each answer that a vendor's table names."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from commands.checks.finding import Finding, Mark
from commands.checks.vendors import check_key
from config.environment import Environment
from config.settings import Settings, load_settings
from sandbox.providers import keys
from sandbox.providers.client import BALANCE, IMAGES, PREDICTIONS, RENDERS, TASKS
from sandbox.providers.models import Fault, Match
from sandbox.providers.vendors.errors import (
    ark_error,
    google_error,
    shotstack_error,
    wavespeed_error,
)
from sandbox.vidfab import VidFab
from services.accounts.asking import ask
from services.accounts.vendor import UNKNOWN_ID, Vendor
from services.accounts.verdicts import Row, Table, Verdict
from services.byteplus import BYTEPLUS
from services.clips.wavespeed import WAVESPEED
from services.films.shotstack import SHOTSTACK
from services.google import GOOGLE
from services.vendors import VENDORS

MODELS = "/google/v1beta/models/*"
PAGE = "<html><h1>404 Not Found</h1></html>"


@dataclass(frozen=True)
class Case:
    """A vendor's answer at `path`, what it tells, and a part of what the operator reads."""

    vendor: Vendor
    path: str
    status: int
    body: Any
    verdict: Verdict
    told: str


def ark(
    status: int, code: str, verdict: Verdict, told: str, *, message: str = "", path: str = ""
) -> Case:
    body = ark_error(status, code, message).body
    return Case(BYTEPLUS, path or f"{TASKS}/*", status, body, verdict, told)


def gemini(status: int, verdict: Verdict, told: str, message: str, reason: str = "") -> Case:
    return Case(GOOGLE, MODELS, status, google_error(status, message, reason).body, verdict, told)


def precondition(verdict: Verdict, told: str, message: str) -> Case:
    body = {"error": {"code": 400, "message": message, "status": "FAILED_PRECONDITION"}}
    return Case(GOOGLE, MODELS, 400, body, verdict, told)


def wavespeed(status: int, verdict: Verdict, told: str, message: str = "") -> Case:
    body = wavespeed_error(status, message).body
    return Case(WAVESPEED, f"{PREDICTIONS}/*", status, body, verdict, told)


def balance(status: int, body: Any, verdict: Verdict, told: str) -> Case:
    return Case(WAVESPEED, BALANCE, status, body, verdict, told)


def shotstack(status: int, body: Any, verdict: Verdict, told: str) -> Case:
    return Case(SHOTSTACK, f"{RENDERS}/*", status, body, verdict, told)


def gateway(status: int, message: str, verdict: Verdict, told: str) -> Case:
    return shotstack(status, {"message": message}, verdict, told)


NO_TASK = f"The task {UNKNOWN_ID} does not exist."
NO_MODEL = "models/x is not found for API version v1beta, or is not supported for this method."
CASES = (
    ark(404, "ResourceNotFound", Verdict.OPEN, "accepts the key at http", message=NO_TASK),
    ark(400, "InvalidParameter", Verdict.OPEN, "accepts the key", message="`id` is not valid"),
    ark(401, "AuthenticationError", Verdict.KEY, "refuses the key at http"),
    ark(400, "InvalidAuthorization", Verdict.KEY, "400 InvalidAuthorization"),
    ark(400, "InvalidCredential", Verdict.KEY, "Set BYTEPLUS_API_KEY to an API key"),
    ark(401, "SomethingNew", Verdict.KEY, "401 SomethingNew"),
    ark(401, "InvalidAccountStatus", Verdict.RIGHTS, "unlock the account"),
    ark(403, "AccessDenied", Verdict.RIGHTS, "not restricted"),
    ark(403, "AccountOverdueError", Verdict.CREDIT, "Pay the account's bill"),
    ark(403, "OperationDenied.ServiceOverdue", Verdict.CREDIT, "until the account is paid for"),
    ark(403, "OperationDenied.ServiceNotOpen", Verdict.MODEL, "Activate the model"),
    ark(404, "ModelNotOpen", Verdict.MODEL, "serve the model seedream-5-0-260128", path=IMAGES),
    ark(404, "InvalidEndpointOrModel.NotFound", Verdict.MODEL, "Activate", path=IMAGES),
    ark(400, "InvalidEndpoint.ClosedEndpoint", Verdict.MODEL, "Activate", path=IMAGES),
    ark(400, "MissingParameter", Verdict.UNTOLD, 'whether it "serves the model', path=IMAGES),
    ark(429, "SetLimitExceeded", Verdict.SPENT, "Raise the limit"),
    ark(429, "QuotaExceeded", Verdict.SPENT, "used up", message="Your weekly allowance is over"),
    ark(429, "QuotaExceeded", Verdict.BUSY, "at this moment", message="Too many tasks queued"),
    ark(429, "RequestBurstTooFast", Verdict.BUSY, "some minutes"),
    ark(429, "SomethingNew", Verdict.BUSY, "some minutes"),
    ark(500, "InternalServiceError", Verdict.DOWN, "is out of order at http"),
    ark(418, "SomethingNew", Verdict.UNKNOWN, "does not know (418 SomethingNew"),
    # An answer about a route, not a task, and what is no answer of ModelArk's at all.
    ark(404, "NotFound", Verdict.UNKNOWN, "does not know", message="No such path"),
    Case(BYTEPLUS, f"{TASKS}/*", 404, PAGE, Verdict.ADDRESS, "not what answers at http"),
    Case(BYTEPLUS, f"{TASKS}/*", 200, {"status": "ok"}, Verdict.ADDRESS, "ap-southeast"),
    Case(BYTEPLUS, f"{TASKS}/*", 404, {"detail": "no"}, Verdict.ADDRESS, "(404, application/json)"),
    Case(BYTEPLUS, f"{TASKS}/*", 502, PAGE, Verdict.DOWN, "(502, text/plain)"),
    Case(BYTEPLUS, f"{TASKS}/*", 429, PAGE, Verdict.BUSY, "some minutes"),
    Case(
        GOOGLE, MODELS, 200, {"name": "models/gemini-3.1-flash-image", "version": "3.1"},
        Verdict.OPEN, "serves the model gemini-3.1-flash-image at http",
    ),
    gemini(400, Verdict.KEY, "400 API_KEY_INVALID", "API key not valid.", "API_KEY_INVALID"),
    gemini(400, Verdict.KEY, "refuses the key", "API key expired. Please renew the API key."),
    gemini(403, Verdict.KEY, "refuses the key", "Your API key was reported as leaked."),
    gemini(401, Verdict.KEY, "Google AI Studio", "Request had invalid credentials."),
    gemini(403, Verdict.RIGHTS, "restriction", "Blocked.", "API_KEY_SERVICE_BLOCKED"),
    gemini(403, Verdict.RIGHTS, "Enable the Gen", "Not used in project.", "SERVICE_DISABLED"),
    gemini(403, Verdict.RIGHTS, "another one", "Permission denied."),
    gemini(403, Verdict.CREDIT, "billing", "Billing is off.", "BILLING_DISABLED"),
    precondition(Verdict.CREDIT, "Set up billing", "Free tier is not here. Enable billing."),
    precondition(Verdict.PLACE, "country", "User location is not supported for the API use."),
    gemini(404, Verdict.MODEL, "does not serve the model gemini-3.1-flash-image", NO_MODEL),
    gemini(429, Verdict.SPENT, "Raise the plan", "Quota exceeded for metric: x, limit: 0"),
    gemini(429, Verdict.BUSY, "some minutes", "Quota exceeded for metric: x, limit: 10"),
    Case(GOOGLE, MODELS, 404, PAGE, Verdict.ADDRESS, "GOOGLE_GEMINI_BASE_URL"),
    wavespeed(404, Verdict.OPEN, "accepts the key at http", "prediction not found"),
    wavespeed(401, Verdict.KEY, "first top-up"),
    wavespeed(402, Verdict.CREDIT, "Add credit"),
    wavespeed(400, Verdict.CREDIT, "Add credit", "Insufficient credits. Please top up."),
    wavespeed(403, Verdict.RIGHTS, "dashboard"),
    Case(WAVESPEED, f"{PREDICTIONS}/*", 404, PAGE, Verdict.ADDRESS, "WAVESPEED_API_URL"),
    balance(200, {"data": {"balance": 3}}, Verdict.OPEN, "has credit for this account (3.00 USD)"),
    balance(200, {"data": {"balance": 0}}, Verdict.CREDIT, "paid for (0.00 USD)"),
    balance(404, PAGE, Verdict.UNTOLD, "Look at the balance"),
    shotstack(404, shotstack_error(404).body, Verdict.OPEN, "accepts the key at http"),
    gateway(403, "Forbidden", Verdict.KEY, "those of the sandbox belong"),
    gateway(403, "Missing Authentication Token", Verdict.ADDRESS, "…/edit/stage"),
    gateway(404, "Not Found", Verdict.ADDRESS, "edit/v1"),
    gateway(429, "Limit Exceeded", Verdict.SPENT, "Raise the plan"),
    gateway(429, "Too Many Requests", Verdict.BUSY, "some minutes"),
    shotstack(402, shotstack_error(402).body, Verdict.CREDIT, "Buy credits"),
    shotstack(404, PAGE, Verdict.ADDRESS, "edit/v1"),
)  # fmt: skip
MARKS = {
    Verdict.OPEN: Mark.OK,
    Verdict.BUSY: Mark.WARNING,
    Verdict.UNTOLD: Mark.WARNING,
    Verdict.UNKNOWN: Mark.WARNING,
}


def settings_of(vidfab: VidFab, **more: str) -> Settings:
    values = vidfab.settings("q", **{**vidfab.providers.environment, **more})
    return load_settings(environment=Environment(values, {}))


async def findings(vidfab: VidFab, vendor: Vendor, **more: str) -> list[Finding]:
    found = await check_key(settings_of(vidfab, **more), vendor, live=True)
    assert (await vidfab.providers.control.paid()).items == []
    return found


def tables(settings: Settings) -> set[Table]:
    return {question.table for vendor in VENDORS for question in vendor.questions(settings)}


def row_of(case: Case, settings: Settings) -> Row:
    """By the table of the question that is asked at the case's path."""
    number = 1 if case.path in {IMAGES, BALANCE} else 0
    body = {"text": case.body} if isinstance(case.body, str) else {"json": case.body}
    table = case.vendor.questions(settings)[number].table
    return table.judged(httpx.Response(case.status, **body))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.vendor.name} {case.told}")
async def test_each_answer_is_told_with_what_to_do(vidfab: VidFab, case: Case) -> None:
    """With a fallback, so that the models of both vendors of pictures matter."""
    fault = Fault(match=Match(path=case.path), status=case.status, body=case.body)
    await vidfab.providers.control.add(fault)
    found = await findings(vidfab, case.vendor, IMAGE_PROVIDER_FALLBACK="true")
    [told] = [one for one in found if case.told in f"{one.text}. {one.remedy}"]
    assert told.mark is MARKS.get(case.verdict, Mark.FAILED)
    assert bool(told.remedy) is (case.verdict is not Verdict.OPEN)
    assert not any(key in told.text for key in (keys.BYTEPLUS, keys.GOOGLE, keys.WAVESPEED))


def test_each_row_of_the_tables_has_a_case(vidfab: VidFab) -> None:
    settings = settings_of(vidfab)
    judged = [row_of(case, settings) for case in CASES]
    assert [row.verdict for row in judged] == [case.verdict for case in CASES]
    rows = {row for table in tables(settings) for row in (*table.all_rows, *table.foreign_rows)}
    assert rows - set(judged) == set()
    assert all(row.source for row in rows)


async def test_a_model_that_is_looked_at_first_is_known_to_be_open(vidfab: VidFab) -> None:
    """ModelArk may look at the parameters first: only a model that there is none of shows it."""
    control = vidfab.providers.control
    key, model = await findings(vidfab, BYTEPLUS)
    assert (key.mark, model.mark) == (Mark.OK, Mark.WARNING)
    body = ark_error(404).body
    await control.fail(IMAGES, 404, body=body, body_contains="no-such-model")
    _, model = await findings(vidfab, BYTEPLUS)
    assert model.mark is Mark.OK
    assert model.text == "BytePlus serves the model seedream-5-0-260128"


async def test_a_model_matters_only_where_pictures_are_bought(vidfab: VidFab) -> None:
    control = vidfab.providers.control
    await control.fail(MODELS, 404, body=google_error(404, NO_MODEL).body)
    [unused] = await findings(vidfab, GOOGLE)
    [used] = await findings(vidfab, GOOGLE, IMAGE_PROVIDER="gemini")
    assert (unused.mark, used.mark) == (Mark.WARNING, Mark.FAILED)
    assert len(await findings(vidfab, BYTEPLUS, IMAGE_PROVIDER="gemini")) == 1
    assert await control.requests(IMAGES) == []


async def test_nothing_is_asked_after_the_first_no(vidfab: VidFab) -> None:
    wrong = settings_of(vidfab, BYTEPLUS_API_KEY="wrong-key-wrong-key")
    assert wrong.byteplus_key is not None
    questions = BYTEPLUS.questions(wrong)
    [only] = await ask(BYTEPLUS, wrong, wrong.byteplus_key, questions)
    assert only.verdict is Verdict.KEY
    assert await vidfab.providers.control.requests(IMAGES) == []


async def test_a_wrong_path_is_not_taken_for_a_good_key(vidfab: VidFab) -> None:
    """Before, any 404 was: each vendor's key passed at whatever address."""
    url = vidfab.providers.api_url
    wrong = {
        "BYTEPLUS_ARK_BASE_URL": f"{url}/ark/api/v2",
        "GOOGLE_GEMINI_BASE_URL": f"{url}/googol",
        "WAVESPEED_API_URL": f"{url}/wavespeed/v3",
        "SHOTSTACK_API_URL": f"{url}/shotstack/edit/v1",
    }
    for vendor in VENDORS:
        [found] = await findings(vidfab, vendor, **wrong)
        assert found.mark is Mark.FAILED
        assert "is not what answers at http" in found.text
