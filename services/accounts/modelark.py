"""What BytePlus ModelArk's answers tell of an account.

Sources: `docs` the vendor's list of error codes (docs.byteplus.com/en/docs/ModelArk/1299023, its
Chinese twin docs.volcengine.com 82379/1299023); `ark-cli` github.com/byteplus-sdk/ark-cli.
"""

import httpx
from pydantic import BaseModel

from services.accounts.vendor import UNKNOWN_ID
from services.accounts.verdicts import Row, Said, Table, Verdict, in_form

_KEY = "Set {key} to an API key (ModelArk, API keys) of the region in BYTEPLUS_ARK_BASE_URL"
_PAY = "Pay the account's bill or top it up (BytePlus console, Billing)"
_ACTIVATE = (
    "Activate the model (ModelArk, Model activation), or set BYTEPLUS_IMAGE_MODEL to one that is"
)
_RAISE = "Raise the limit, or wait until it is counted anew (ModelArk, Model activation)"
_ADDRESS = (
    "Set BYTEPLUS_ARK_BASE_URL to https://ark.ap-southeast.bytepluses.com/api/v3, or to the same "
    "of the account's region (ark.eu-west.bytepluses.com)"
)

# In both questions. A gateway in front of the API has codes of its own, with status 400.
_ACCOUNT = (
    Row(Verdict.RIGHTS, "docs", "Ask BytePlus to unlock the account", code="InvalidAccountStatus"),
    Row(Verdict.KEY, "docs", _KEY, code="AuthenticationError"),
    Row(Verdict.KEY, "ark-cli", _KEY, code=r"Invalid(Authorization|Credential|AccessKey)(\..+)?"),
    Row(Verdict.CREDIT, "docs", _PAY, code=r"AccountOverdueError|OperationDenied\.ServiceOverdue"),
    Row(Verdict.MODEL, "docs", _ACTIVATE, code=r"OperationDenied\.ServiceNotOpen"),
    Row(
        Verdict.RIGHTS,
        "docs",
        "Allow the key this (ModelArk, API keys), or make one that is not restricted",
        code=r"AccessDenied|OperationDenied(\..+)?",
    ),
    Row(Verdict.MODEL, "docs", _ACTIVATE, code=r"ModelNotOpen|UnsupportedModel"),
    Row(Verdict.MODEL, "docs", _ACTIVATE, code=r"InvalidEndpoint(OrModel)?(\..+)?"),
    Row(Verdict.SPENT, "docs: the account's own spending limit", _RAISE, code="SetLimitExceeded"),
    Row(
        Verdict.SPENT,
        "docs: the free trial, or the allowance of 5 hours, a week or a month",
        _RAISE,
        code=r"QuotaExceeded(\..+)?",
        message=r"free|trial|allowance|\bhours?\b|\bweek|\bmonth",
    ),
    Row(
        Verdict.BUSY,
        "docs, ark-cli",
        "Try again in some minutes",
        code=r"QuotaExceeded|.*RateLimitExceeded(\..+)?|RequestBurstTooFast|ServerOverloaded",
    ),
    Row(Verdict.KEY, "RFC 9110", _KEY, frozenset({401})),
)


class _Detail(BaseModel):
    code: str
    message: str = ""


class _Refusal(BaseModel):
    error: _Detail


def _read(response: httpx.Response) -> Said | None:
    """`{"error": {code, message, param, type}}`."""
    found = in_form(response, _Refusal)
    return found and Said(found.error.code, found.error.message)


_NO_TASK = rf"task|{UNKNOWN_ID}"

TASK = Table(
    _read,
    (
        *_ACCOUNT,
        # Which code it is, is not documented; that the task is named tells it from a lost route.
        Row(
            Verdict.OPEN,
            "not documented: as a poll of a task that is gone",
            statuses=frozenset({404}),
            code="(?i).*not_?found.*",
            message=_NO_TASK,
        ),
        Row(
            Verdict.OPEN,
            "not documented: the id is not one of a task",
            statuses=frozenset({400}),
            code=r"InvalidParameter(\..+)?",
            message=rf"\bid\b|{_NO_TASK}",
        ),
    ),
    _ADDRESS,
)
"""Of `GET /contents/generations/tasks/{id}` for a task that nobody ordered."""

PICTURE = Table(
    _read,
    (
        *_ACCOUNT,
        # `prompt` is a required parameter. Whether it is looked at before or after the model is not
        # documented.
        Row(
            Verdict.UNTOLD,
            "docs",
            "Look whether it is active (ModelArk, Model activation)",
            frozenset({400}),
            code=r"(Missing|Invalid)Parameter(\..+)?",
        ),
    ),
    _ADDRESS,
)
"""Of `POST /images/generations` without a prompt, which makes nothing."""
