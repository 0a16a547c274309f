"""Each vendor's own way to say no."""

from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

# The codes that ModelArk documents for a status; the message is what a person would read.
_ARK_CODES = {
    400: "InvalidParameter",
    401: "AuthenticationError",
    403: "AccountOverdueError",
    404: "InvalidEndpointOrModel.NotFound",
    429: "RateLimitExceeded.EndpointRPMExceeded",
    500: "InternalServiceError",
    503: "ServerOverloaded",
}
_GOOGLE_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Refused(Exception):
    """A vendor says no: its HTTP status, and the body it documents."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def ark_error(status: int, code: str = "", message: str = "", param: str = "") -> Refused:
    """ModelArk: `{"error": {code, message, param, type}}`."""
    code = code or _ARK_CODES.get(status, "InternalServiceError")
    message = message or f"The request failed because of {code}."
    kind = HTTPStatus(status).phrase.replace(" ", "")
    detail = {"code": code, "message": message, "param": param, "type": kind}
    return Refused(status, {"error": detail})


def google_error(status: int, message: str = "", reason: str = "") -> Refused:
    """Google: `{"error": {code, message, status, details}}`."""
    word = _GOOGLE_STATUS.get(status, "UNKNOWN")
    detail: dict[str, Any] = {"code": status, "message": message or word, "status": word}
    if reason:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
        detail["details"] = [{**info, "domain": "googleapis.com"}]
    return Refused(status, {"error": detail})


def google_quota_error(per: str, retry_delay: str, *, is_zero: bool = False) -> Refused:
    """Google, as it answers 429: no header, and the wait in the body; `per` as in "Day".

    A quota of the day comes with a wait of seconds, too. Of a model without any quota (`is_zero`,
    as image models on the free tier) all its quotas are named, the one of a minute first:
    github.com/google-gemini/gemini-cli/issues/8437.
    """
    metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
    model = "gemini-3.1-flash-image"
    limit = 0 if is_zero else 100
    names = ("Minute", "Day") if is_zero else (per,)
    violations = [
        {
            "quotaMetric": metric,
            "quotaId": f"GenerateRequestsPer{name}PerProjectPerModel-FreeTier",
            "quotaDimensions": {"location": "global", "model": model},
        }
        for name in names
    ]
    message = (
        "You exceeded your current quota, please check your plan and billing details.\n"
        f"* Quota exceeded for metric: {metric}, limit: {limit}, model: {model}\n"
        f"Please retry in {retry_delay}."
    )
    refused = google_error(429, message)
    refused.body["error"]["details"] = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry_delay},
    ]
    return refused


def shotstack_error(status: int, message: str = "") -> Refused:
    """Shotstack: `{success, message, response}`; its gateway gives `{message}` alone."""
    phrase = HTTPStatus(status).phrase
    if status in {401, 403, 429}:
        return Refused(status, {"message": message or phrase})
    answer = {"error": message or phrase}
    return Refused(status, {"success": False, "message": phrase, "response": answer})


def wavespeed_error(status: int, message: str = "") -> Refused:
    """Wavespeed: `{code, message}`."""
    return Refused(status, {"code": status, "message": message or HTTPStatus(status).phrase})


def error_body(path: str, status: int) -> Any:
    """What the vendor to whom the path belongs would say; the media host says it in words."""
    makers = {
        "ark": ark_error,
        "google": google_error,
        "shotstack": shotstack_error,
        "wavespeed": wavespeed_error,
    }
    maker = makers.get(path.split("/")[1])
    return maker(status).body if maker else HTTPStatus(status).phrase


def refuse(request: Request, error: Exception) -> JSONResponse:
    """Starlette's handler for Refused."""
    assert isinstance(error, Refused)
    return JSONResponse(error.body, error.status)


def no_such_page(request: Request, error: Exception) -> Response:
    """Starlette's handler for its own 404 and 405: what is before the vendor's API answers.

    Amazon's gateway before Shotstack (MISSING_AUTHENTICATION_TOKEN of its list of gateway
    responses) takes an unknown path for a request without a signature; the others have no JSON.
    """
    assert isinstance(error, HTTPException)
    if request.url.path.startswith("/shotstack/"):
        return JSONResponse({"message": "Missing Authentication Token"}, 403)
    return PlainTextResponse("404 page not found\n", error.status_code)
