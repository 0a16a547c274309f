"""How a vendor's own codes and messages are judged: by the first row of its table that fits."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from loguru import logger

from bullmq_consumer.sanitize.text import one_line
from core.errors import ContentRejected, PermanentError, ServiceError
from core.meter import meter
from core.people import Cause
from core.unknown_codes import unknown_codes
from services.codes.patterns import is_about

_LONGEST = 80
UNCODED = r"()"
"""The pattern of an answer that has no code, such as a gateway's page."""


class Verdict(StrEnum):
    """What an answer means.

    PASSING      the same request may succeed, now or later
    NOT_FETCHED  the same, and the vendor could not fetch a reference in time
    ONCE_MORE    the same, and it may have been billed: repeated once, then it counts as billed
    LATER        the same, and it is not repeated at once
    REFUSED      the content is refused, for good
    REFERENCE    a reference cannot be used, for good
    WRONG        the request is wrong, for good
    ACCOUNT      no request of this account succeeds until a person changes something
    LIMIT        no request succeeds for a while
    BILLED       the answer is lost, and the work may be done and billed
    """

    PASSING = "passing"
    NOT_FETCHED = "not fetched"
    ONCE_MORE = "once more"
    LATER = "later"
    REFUSED = "refused"
    REFERENCE = "reference"
    WRONG = "wrong"
    ACCOUNT = "account"
    LIMIT = "limit"
    BILLED = "billed"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row, whose last three parts are a `Pattern`. `source` is where it comes from."""

    verdict: Verdict
    source: str
    code: str = ""
    message: str = ""
    statuses: frozenset[int] = frozenset()

    def fits(self, error: ServiceError) -> bool:
        """Whether the row is about this answer."""
        return is_about(self, error.status, error.code or "", str(error))

    @property
    def names_a_code(self) -> bool:
        """Whether the row knows the vendor's own words, not the status alone."""
        return bool(self.code or self.message)


def judged(error: ServiceError, table: Sequence[Rule]) -> Verdict:
    """What the answer means. A code that no row names goes by its status, and is counted.

    An error inside a 200 has no status: the work may be done.
    """
    row = next((one for one in table if one.fits(error)), None)
    if error.code and (row is None or not row.names_a_code):
        _note(error.service, error.code)
    if row is not None:
        return row.verdict
    if error.status is None:
        return Verdict.BILLED
    return Verdict.PASSING if error.retryable else Verdict.WRONG


def judgement(error: ServiceError, verdict: Verdict) -> Exception:
    """The error to raise: a refusal is final for this request, others concern all of them."""
    match verdict:
        case Verdict.REFUSED:
            return ContentRejected(str(error))
        case Verdict.REFERENCE:
            return ContentRejected(str(error), cause=Cause.REFERENCE)
        case Verdict.WRONG:
            return PermanentError(str(error), cause=Cause.OUR_SIDE)
        case Verdict.ACCOUNT:
            error.retryable, error.reach = False, "account"
        case Verdict.LIMIT if error.reach != "account":  # else it is used up for hours
            error.retryable, error.reach = True, "limit"
        case Verdict.BILLED:
            error.retryable, error.billed = True, True
        case Verdict.LATER:
            error.retryable, error.at_once = True, False
        case Verdict.PASSING | Verdict.NOT_FETCHED | Verdict.ONCE_MORE:
            error.retryable, error.reach = True, "request"  # nothing was made
        case Verdict.LIMIT:
            pass
    return error


def _note(service: str, code: str) -> None:
    meter().unknown_code(service)
    unknown_codes.note(service, code)
    shown = one_line(code, _LONGEST)
    logger.warning("{} answered {}, a code that this worker does not know", service, shown)
