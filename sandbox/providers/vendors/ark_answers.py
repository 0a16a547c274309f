"""What ModelArk and what stands before it answer to an order of a picture, but for pictures.

Sources as in services/codes/modelark.py: `docs` is the vendor's list of error codes,
docs.byteplus.com ModelArk/1299023 and docs.volcengine.com 82379/1299023.
"""

from dataclasses import dataclass
from typing import Any

from sandbox.providers.vendors.errors import ark_error

# nginx's own page, as an edge or a wrong host gives it.
_PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
# Envoy's words for an upstream that it lost.
_ENVOY = (
    "upstream connect error or disconnect/reset before headers. reset reason: connection failure"
)


@dataclass(frozen=True, slots=True)
class ArkAnswer:
    """One answer: its status and its body, JSON or text."""

    status: int
    body: Any


def _coded(status: int, code: str, message: str = "") -> ArkAnswer:
    return ArkAnswer(status, ark_error(status, code, message).body)


def _page(status: int, title: str) -> ArkAnswer:
    return ArkAnswer(status, _PAGE.format(f"{status} {title}"))


_NO_MODEL = "The model or endpoint x does not exist or you do not have access to it."

ARK_ANSWERS = {
    # github.com/jeffstric/ZJT/issues/94: 10 s after the order.
    "late reference": _coded(
        400, "InvalidParameter", "Timeout while downloading url: https://x.example.com/a.png"
    ),
    # github.com/lobehub/lobehub/issues/14652
    "late reference, other words": _coded(
        400,
        "InvalidParameter",
        "The parameter `image` specified in the request is not valid: timeout while fetching "
        "resource. Request id: 0217",
    ),
    # docs, all down to the limits
    "check failed": _coded(400, "ContentSecurityDetectionError"),
    "prompt refused": _coded(400, "InputTextSensitiveContentDetected"),
    "picture refused": _coded(400, "OutputImageSensitiveContentDetected"),
    "reference refused": _coded(400, "InputImageSensitiveContentDetected.PrivacyInformation"),
    "risk": _coded(400, "InputTextRiskDetection"),
    "refused without a code": ArkAnswer(
        400, {"error": {"code": None, "message": "The output may contain sensitive information."}}
    ),
    "no reference": _coded(400, "InvalidImageURL.EmptyURL"),
    "wrong parameter": _coded(400, "InvalidParameter"),
    "wrong size": _coded(400, "InvalidParameter.UnsupportedSize"),
    "missing parameter": _coded(400, "MissingParameter"),
    "wrong key": _coded(401, "AuthenticationError", "The API key doesn't exist"),
    "account closed": _coded(401, "InvalidAccountStatus"),
    "account overdue": _coded(403, "AccountOverdueError"),
    # github.com/byteplus-sdk/ark-cli, its doctor's error-codes.md: the gateway's own
    "wrong authorization": _coded(400, "InvalidAuthorization"),
    "wrong credential": _coded(400, "InvalidCredential"),
    "wrong clock": _coded(400, "InvalidTimestamp"),
    # docs
    "service overdue": _coded(403, "OperationDenied.ServiceOverdue"),
    "service not open": _coded(403, "OperationDenied.ServiceNotOpen"),
    # github.com/byteplus-sdk/ark-cli
    "no rights": _coded(403, "AccessDenied"),
    # docs
    "model of another region": _coded(400, "UnsupportedModel"),
    "model not open": _coded(404, "ModelNotOpen"),
    "no model": _coded(404, "InvalidEndpointOrModel.NotFound", _NO_MODEL),
    "endpoint closed": _coded(400, "InvalidEndpoint.ClosedEndpoint"),
    "spending limit": _coded(429, "SetLimitExceeded"),
    "allowance used up": _coded(
        429, "QuotaExceeded", "You have used up your 5-hour allowance. It resets at 18:00."
    ),
    "free trial used up": _coded(429, "QuotaExceeded", "Your free trial quota is used up."),
    "queue full": _coded(429, "QuotaExceeded", "Too many tasks are queued, try again later."),
    "requests a minute": _coded(429, "RateLimitExceeded.EndpointRPMExceeded"),
    "pictures a minute": _coded(429, "ModelAccountIpmRateLimitExceeded"),
    "burst": _coded(429, "RequestBurstTooFast"),
    "too many in flight": _coded(429, "InflightBatchsizeExceeded"),
    # docs, ark-cli: 429, and not 503 as its name suggests
    "overloaded": _coded(429, "ServerOverloaded"),
    # docs
    "internal error": _coded(500, "InternalServiceError"),
    # What is not ModelArk's own.
    "401 of a gateway": _page(401, "Authorization Required"),
    "402 of a gateway": _page(402, "Payment Required"),
    "403 of an edge": _page(403, "Forbidden"),
    "524 of an edge": _page(524, "A timeout occurred"),
    "nothing there": _page(404, "Not Found"),
    "moved": _page(301, "Moved Permanently"),
    "not a POST": _page(405, "Not Allowed"),
    "429 of an edge": _page(429, "Too Many Requests"),
    "bad gateway": _page(502, "Bad Gateway"),
    "gateway time-out": _page(504, "Gateway Time-out"),
    "500 of a gateway": _page(500, "Internal Server Error"),
    "503 of a gateway": _page(503, "Service Temporarily Unavailable"),
    "503 of an envoy": ArkAnswer(503, _ENVOY),
    "another server error": _coded(500, "InternalServiceTimeout"),
}
"""By what they mean."""
