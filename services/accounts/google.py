"""What the answers of Google's Gemini API tell of an account.

Sources: `reasons` googleapis/googleapis google/api/error_reason.proto; others are named in full.
"""

import httpx
from pydantic import BaseModel

from services.accounts.verdicts import Row, Said, Table, Verdict, in_form

_KEY = "Set {key} to a key of Google AI Studio (Get API key)"
_BILLING = "Set up billing for the key's project (Google AI Studio, Plan)"


class _Info(BaseModel):
    reason: str = ""


class _Detail(BaseModel):
    status: str
    message: str = ""
    details: list[_Info] = []


class _Refusal(BaseModel):
    error: _Detail


class _Model(BaseModel):
    name: str
    version: str = ""


def _read(response: httpx.Response) -> Said | None:
    """`{"error": {code, message, status, details: [{reason}]}}`, or a model `{name, version}`.

    A reason says more than the status does.
    """
    if response.is_success:
        model = in_form(response, _Model)
        return model and Said("", ", version ".join(filter(None, (model.name, model.version))))
    found = in_form(response, _Refusal)
    if found is None:
        return None
    reasons = (info.reason for info in found.error.details if info.reason)
    return Said(next(reasons, found.error.status), found.error.message)


MODEL = Table(
    _read,
    (
        Row(
            Verdict.OPEN,
            "ai.google.dev/api/models",
            statuses=frozenset({200}),
            message="^models/",
        ),
        Row(Verdict.KEY, "reasons; with status 400", _KEY, code="API_KEY_INVALID"),
        Row(Verdict.KEY, "the same without details", _KEY, message=r"API key (not valid|expired)"),
        Row(Verdict.KEY, "third-party reports", _KEY, message="API key was reported as leaked"),
        Row(
            Verdict.PLACE,
            "github.com/google-gemini/gemini-cli/issues/1614",
            "Run the worker in a region of ai.google.dev/gemini-api/docs/available-regions",
            frozenset({400}),
            code="FAILED_PRECONDITION",
            message="location is not supported",
        ),
        Row(Verdict.CREDIT, "reasons", _BILLING, code="BILLING_DISABLED"),
        Row(
            Verdict.CREDIT,
            "ai.google.dev/gemini-api/docs/troubleshooting: no free tier in this country",
            _BILLING,
            frozenset({400}),
            code="FAILED_PRECONDITION",
            message="billing",
        ),
        Row(
            Verdict.RIGHTS,
            "reasons",
            "Take the restriction off the key, or allow it the Generative Language API "
            "(Google Cloud console, Credentials)",
            code=r"API_KEY_\w+_BLOCKED",
        ),
        Row(
            Verdict.RIGHTS,
            "reasons",
            "Enable the Generative Language API in the key's project (Google Cloud console)",
            code="SERVICE_DISABLED",
        ),
        Row(
            Verdict.RIGHTS,
            "reasons; ai.google.dev/gemini-api/docs/troubleshooting for PERMISSION_DENIED",
            "Look at the key's project in the Google Cloud console, or make a key in another one",
            frozenset({403}),
        ),
        Row(
            Verdict.MODEL,
            "ai.google.dev/gemini-api/docs/troubleshooting: 404 NOT_FOUND",
            "Set GEMINI_IMAGE_MODEL to a model of ai.google.dev/gemini-api/docs/models",
            frozenset({404}),
            code="NOT_FOUND",
            message="model",
        ),
        Row(
            Verdict.SPENT,
            "ai.google.dev/gemini-api/docs/rate-limits: by the day, or none in this plan",
            "Raise the plan (Google AI Studio, Plan), or wait until the quota is counted anew",
            frozenset({429}),
            message=r"per ?day|limit: 0\b",
        ),
        Row(Verdict.KEY, "RFC 9110", _KEY, frozenset({401})),
    ),
    "Take GOOGLE_GEMINI_BASE_URL out, or set it to an address that serves Google's API",
)
"""Of `GET /{version}/models/{model}`."""
