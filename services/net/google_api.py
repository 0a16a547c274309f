"""Host and key header of Google's API, and what its errors say of quotas.

Google sends no Retry-After. The body's `error.details` hold a `RetryInfo`, with the wait, and a
`QuotaFailure`, with the ids of the quotas that are exceeded, such as
`GenerateRequestsPerMinutePerProjectPerModel`.
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from pydantic import BaseModel, Field, ValidationError

API_HOST = "generativelanguage.googleapis.com"
KEY_HEADER = "x-goog-api-key"

_RETRY_INFO = "google.rpc.RetryInfo"
_QUOTA_FAILURE = "google.rpc.QuotaFailure"
# Protocol buffers' JSON of a duration. Nine digits are 30 years: more would overflow.
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")
_OF_A_DAY = "PerDay"
# A model that the account may not use at all, for example without billing, has a quota of 0.
_NO_QUOTA = re.compile(r"\blimit: 0(?![.\d])")


@dataclass(frozen=True, slots=True)
class Quota:
    """`retry_after` is the wait that Google names; when `is_used_up`, it does not help.

    Of a quota of the day Google names a wait of seconds all the same.
    """

    retry_after: timedelta | None = None
    is_used_up: bool = False


class _Violation(BaseModel):
    quota_id: str = Field("", alias="quotaId")


class _Detail(BaseModel):
    kind: str = Field("", alias="@type")
    retry_delay: str = Field("", alias="retryDelay")
    violations: list[_Violation] = []


class _Error(BaseModel):
    message: str = ""
    details: list[_Detail] = []


class _Body(BaseModel):
    error: _Error


def quota_of(body: bytes) -> Quota:
    """The quota in the body of an error; nothing is known of one that is not Google's."""
    try:
        error = _Body.model_validate_json(body).error
    except ValidationError:
        return Quota()
    waits = [_duration(one.retry_delay) for one in error.details if one.kind.endswith(_RETRY_INFO)]
    failures = [one for one in error.details if one.kind.endswith(_QUOTA_FAILURE)]
    ids = [violation.quota_id for one in failures for violation in one.violations]
    is_used_up = any(_OF_A_DAY in one for one in ids) or bool(
        failures and _NO_QUOTA.search(error.message)
    )
    return Quota(next(iter(waits), None), is_used_up)


def _duration(text: str) -> timedelta | None:
    found = _DURATION.fullmatch(text)
    return timedelta(seconds=float(found[1])) if found else None
