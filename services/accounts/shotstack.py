"""What Shotstack's answers tell of an account.

It stands behind Amazon's API Gateway (community.shotstack.io/t/too-many-requests-exception/573
shows its headers), which judges keys and limits and has answers of its own. Sources: `gateway`
docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html; `stages`
help.shotstack.io/en/articles/14050795; `oas` github.com/shotstack/oas-api-definition.
"""

import httpx
from pydantic import BaseModel

from services.accounts.verdicts import Row, Said, Table, Verdict, in_form

_KEY = (
    "Set {key} to a key of the stage in SHOTSTACK_API_URL: those of the sandbox belong "
    "to …/edit/stage, those of production to …/edit/v1"
)
_ADDRESS = "Set SHOTSTACK_API_URL to https://api.shotstack.io/edit/v1, or to …/edit/stage"


class _Refusal(BaseModel):
    success: bool
    message: str = ""


class _Gateway(BaseModel):
    message: str


def _read(response: httpx.Response) -> Said | None:
    """`{success, message, response}` is Shotstack's, `{message}` alone the gateway's."""
    own = in_form(response, _Refusal)
    if own is not None:
        return Said("own", own.message)
    gateway = in_form(response, _Gateway)
    return gateway and Said("gateway", gateway.message)


RENDER = Table(
    _read,
    (
        Row(Verdict.OPEN, "oas", statuses=frozenset({404}), code="own"),
        Row(
            Verdict.ADDRESS,
            "gateway: no such path, MISSING_AUTHENTICATION_TOKEN",
            _ADDRESS,
            frozenset({403}),
            "gateway",
            "missing authentication token",
        ),
        Row(
            Verdict.KEY,
            "gateway: INVALID_API_KEY; stages",
            _KEY,
            frozenset({401, 403}),
        ),
        Row(
            Verdict.CREDIT,
            "not documented: RFC 9110",
            "Buy credits (Shotstack dashboard, Billing)",
            frozenset({402}),
        ),
        Row(
            Verdict.SPENT,
            "gateway: QUOTA_EXCEEDED",
            "Raise the plan (Shotstack dashboard), or wait until its limit is counted anew",
            frozenset({429}),
            "gateway",
            "limit exceeded",
        ),
        Row(Verdict.ADDRESS, "gateway: another API's", _ADDRESS, frozenset({404}), "gateway"),
    ),
    _ADDRESS,
)
"""Of `GET /render/{id}` for a render that nobody ordered."""
