"""What Wavespeed's answers tell of an account.

Sources: `guide` wavespeed.ai/docs/troubleshooting-guide; `errors`
wavespeed.ai/blog/posts/wavespeed-api-auth-errors; `balance` wavespeed.ai/docs-common-api/balance.
"""

from typing import Any

import httpx
from pydantic import BaseModel

from services.accounts.verdicts import Row, Said, Table, Verdict, in_form

_TOP_UP = "Add credit to the account (Wavespeed dashboard, Billing)"
_ADDRESS = "Take WAVESPEED_API_URL out, or set it to an address that serves Wavespeed's API v3"

_ACCOUNT = (
    Row(
        Verdict.KEY,
        "guide, errors",
        "Set {key} to a key that was made after the account's first top-up: earlier "
        "ones never work",
        frozenset({401}),
    ),
    Row(Verdict.CREDIT, "not documented: RFC 9110", _TOP_UP, frozenset({402})),
    Row(Verdict.CREDIT, "not documented", _TOP_UP, message=r"insufficient|top.?up"),
    Row(
        Verdict.RIGHTS,
        "RFC 9110",
        "Look at the key and the account in Wavespeed's dashboard",
        frozenset({403}),
    ),
)


class _Answer(BaseModel):
    code: int
    message: str
    data: Any = None


class _Balance(BaseModel):
    balance: float


class _Balanced(BaseModel):
    data: _Balance


def _read(response: httpx.Response) -> Said | None:
    """`{code, message}`."""
    found = in_form(response, _Answer)
    return found and Said(str(found.code), found.message)


def _read_balance(response: httpx.Response) -> Said:
    """`{code, message, data: {balance}}` in USD: the code is `empty` without any."""
    found = in_form(response, _Balanced) if response.is_success else None
    if found is None:
        return _read(response) or Said("", "")
    balance = found.data.balance
    return Said("empty" if balance <= 0 else "credit", f"{balance:.2f} USD")


PREDICTION = Table(
    _read,
    (
        *_ACCOUNT,
        Row(
            Verdict.OPEN,
            "not documented: as a poll of a prediction that is gone",
            statuses=frozenset({400, 404}),
            message="prediction",
        ),
    ),
    _ADDRESS,
)
"""Of `GET /predictions/{id}/result` for a prediction that nobody ordered."""

BALANCE = Table(
    _read_balance,
    (
        Row(Verdict.CREDIT, "balance", _TOP_UP, frozenset({200}), code="empty"),
        Row(Verdict.OPEN, "balance", statuses=frozenset({200}), code="credit"),
        *_ACCOUNT,
        # A proxy need not pass it on, and jobs do not need it.
        Row(
            Verdict.UNTOLD,
            "another address",
            "Look at the balance in Wavespeed's dashboard",
            frozenset(range(200, 429)),
        ),
    ),
    _ADDRESS,
)
"""Of `GET /balance`."""
