"""Gemini's answers to an order of a picture.

Sources: `docs` ai.google.dev/gemini-api/docs/troubleshooting; `rpc` the codes of google.rpc, which
stand in `error.status`. Limits and used-up quotas are read from the body (services/net/google_api).
"""

from services.codes.rules import UNCODED, Rule, Verdict

PICTURES = (
    Rule(Verdict.ACCOUNT, "docs", code="INVALID_ARGUMENT", message="api key"),
    Rule(Verdict.ACCOUNT, "docs", code="UNAUTHENTICATED|PERMISSION_DENIED"),
    Rule(Verdict.ACCOUNT, "docs: of an order, the model or its API version", code="NOT_FOUND"),
    Rule(Verdict.ACCOUNT, "docs: the country, or no billing", code="FAILED_PRECONDITION"),
    Rule(Verdict.WRONG, "rpc", code="INVALID_ARGUMENT|OUT_OF_RANGE|UNIMPLEMENTED"),
    Rule(Verdict.LIMIT, "docs", code="RESOURCE_EXHAUSTED"),
    Rule(Verdict.PASSING, "docs", code="UNAVAILABLE|INTERNAL|ABORTED|CANCELLED|UNKNOWN"),
    Rule(Verdict.BILLED, "rpc: that Google stopped waiting ends no work", code="DEADLINE_EXCEEDED"),
    Rule(Verdict.BILLED, "a gateway's time-out ends no work behind it", statuses=frozenset({504})),
    Rule(
        Verdict.ACCOUNT,
        "RFC 9110: the key is refused, or nothing like Gemini is at this address",
        code=UNCODED,
        statuses=frozenset({301, 302, 307, 308, 401, 403, 404, 405}),
    ),
)
"""Of `POST /models/{model}:generateContent`, read in order."""
