"""Shotstack's answers to an order and to a question about one.

Sources: `docs` shotstack.io/docs; `oas` github.com/shotstack/oas-api-definition. What it answers
when the credits have ended is not documented: with 402 or 403 jobs wait, with any other status they
go by that.
"""

from services.codes.rules import Rule, Verdict

RENDERS = (
    Rule(Verdict.LIMIT, "docs: 300 requests a minute and key", statuses=frozenset({429})),
    Rule(Verdict.ACCOUNT, "oas: the key", statuses=frozenset({401, 402, 403})),
    Rule(
        Verdict.ACCOUNT,
        "RFC 9110: nothing like Shotstack is at this address",
        statuses=frozenset({301, 302, 307, 308, 404, 405}),
    ),
)
