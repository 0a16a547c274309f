"""ModelArk's answers to an order of a picture.

Sources: `docs` the vendor's list of error codes (docs.byteplus.com/en/docs/ModelArk/1299023, its
Chinese twin docs.volcengine.com 82379/1299023); `ark-cli` github.com/byteplus-sdk/ark-cli;
`modelark-mcp` github.com/byteplus-sa/modelark-mcp; others are named in full. "RFC 9110" marks rows
that go by the status alone.
"""

from services.codes.rules import UNCODED, Rule, Verdict

# 503 stands by itself, below.
_SERVER = frozenset(range(500, 600)) - {503}

PICTURES = (
    # A reference gets 10 s. A late one has the code of a wrong request, only its words differ.
    Rule(
        Verdict.NOT_FETCHED,
        "github.com/jeffstric/ZJT/issues/94, github.com/lobehub/lobehub/issues/14652",
        code=r"Invalid(Parameter|ImageURL)(\..+)?",
        message="while (downloading|fetching)",
    ),
    Rule(Verdict.PASSING, "docs: the check itself failed", code="ContentSecurityDetectionError"),
    Rule(Verdict.REFUSED, "docs", code=r".*SensitiveContentDetected.*"),
    Rule(Verdict.REFUSED, "docs", code=r".*RiskDetection.*"),
    Rule(
        Verdict.REFUSED,
        "docs: a refusal inside a 200 may have lost its code",
        code=UNCODED,
        message="may contain sensitive information",
    ),
    Rule(Verdict.REFERENCE, "docs", code=r"InvalidImageURL(\..+)?"),
    Rule(Verdict.WRONG, "docs", code=r"(Invalid|Missing)Parameter(\..+)?"),
    # The account, its key, its model or its clock.
    Rule(
        Verdict.ACCOUNT,
        "docs, ark-cli",
        code=r"AuthenticationError|InvalidAccountStatus|AccountOverdueError",
    ),
    Rule(
        Verdict.ACCOUNT,
        "ark-cli: the gateway's own, with status 400",
        code=r"Invalid(Authorization|Credential|Timestamp|AccessKey|Signature)(\..+)?",
    ),
    Rule(Verdict.ACCOUNT, "docs, ark-cli", code=r"(OperationDenied|AccessDenied)(\..+)?"),
    Rule(Verdict.ACCOUNT, "docs: of the account's region", code=r"UnsupportedModel(\..+)?"),
    Rule(Verdict.ACCOUNT, "docs", code=r"ModelNotOpen|InvalidEndpointOrModel(\..+)?"),
    Rule(Verdict.ACCOUNT, "docs: closed, or not available for now", code=r"InvalidEndpoint(\..+)?"),
    Rule(Verdict.ACCOUNT, "docs: the account's own spending limit", code=r"SetLimitExceeded"),
    Rule(
        Verdict.ACCOUNT,
        "docs: the free trial, or the allowance of 5 hours, a week or a month, is used up",
        code=r"QuotaExceeded(\..+)?",
        message=r"free|trial|allowance|\bhours?\b|\bweek|\bmonth",
    ),
    # Windows of a minute; pictures are counted, too (`ModelAccountIpmRateLimitExceeded`).
    Rule(Verdict.LIMIT, "docs: too many tasks are queued", code=r"QuotaExceeded(\..+)?"),
    Rule(Verdict.LIMIT, "docs", code=r".*RateLimitExceeded(\..+)?"),
    Rule(Verdict.LIMIT, "docs", code=r"RequestBurstTooFast|InflightBatchsizeExceeded"),
    Rule(Verdict.PASSING, "docs, ark-cli: with status 429", code="ServerOverloaded"),
    # modelark-mcp repeats nothing from 500 up, since the picture may be made. What ModelArk itself
    # reports as failed is more likely not to be.
    Rule(Verdict.ONCE_MORE, "docs, modelark-mcp", code="InternalServiceError"),
    # Without ModelArk's own words.
    Rule(Verdict.ACCOUNT, "RFC 9110: the key, or the bill", statuses=frozenset({401, 402})),
    Rule(
        Verdict.ACCOUNT,
        "RFC 9110: nothing like ModelArk is at this address, or something before it refuses us",
        code=UNCODED,
        statuses=frozenset({301, 302, 307, 308, 403, 404, 405}),
    ),
    Rule(Verdict.LIMIT, "RFC 9110", statuses=frozenset({429})),
    Rule(
        Verdict.BILLED,
        "modelark-mcp: a gateway that gave up does not stop the work behind it",
        code=UNCODED,
        statuses=_SERVER,
    ),
    # A gateway that has nobody to pass the order on to. Counted as billed, an outage of minutes
    # would end each picture after its second try.
    Rule(Verdict.LATER, "RFC 9110", code=UNCODED, statuses=frozenset({503})),
    Rule(Verdict.ONCE_MORE, "modelark-mcp", statuses=_SERVER | {503}),
)
"""Of `POST /images/generations`, read in order."""
