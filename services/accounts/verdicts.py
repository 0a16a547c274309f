"""What a vendor's answer tells of an account: by the first row of the vendor's table that fits."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from services.codes.patterns import is_about

Form = TypeVar("Form", bound=BaseModel)


class Verdict(StrEnum):
    """What an answer tells.

    OPEN     the account is served
    KEY      the key is none of this vendor's, or of another region or stage
    RIGHTS   the key is known, and may not do this
    MODEL    the model is not activated, retired, or not in this version of the API
    ADDRESS  something else is at this address
    PLACE    the vendor does not serve the country that the request came from
    CREDIT   the account has to be paid for first
    SPENT    a limit of the account is used up for longer than minutes
    BUSY     a limit of a minute is used up
    DOWN     the vendor is out of order, or cannot be reached
    UNTOLD   the vendor answered, but not about what was asked
    UNKNOWN  no row names this answer
    """

    OPEN = "open"
    KEY = "key"
    RIGHTS = "rights"
    MODEL = "model"
    ADDRESS = "address"
    PLACE = "place"
    CREDIT = "credit"
    SPENT = "spent"
    BUSY = "busy"
    DOWN = "down"
    UNTOLD = "untold"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Said:
    """An answer in the vendor's own form. `code` may be empty."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Row:
    """An answer, whose last three parts are a `Pattern`.

    `source` is where the row comes from, `advice` what the operator does about it, with `{key}` for
    the variable of the key.
    """

    verdict: Verdict
    source: str
    advice: str = ""
    statuses: frozenset[int] = frozenset()
    code: str = ""
    message: str = ""

    def fits(self, status: int, said: Said) -> bool:
        """Whether the row is about this answer."""
        return is_about(self, status, said.code, said.message)


_RFC = "RFC 9110"
_BUSY = Row(Verdict.BUSY, _RFC, "Try again in some minutes", frozenset({429}))
_DOWN = Row(Verdict.DOWN, _RFC, "Try again later", frozenset(range(500, 600)))
_UNKNOWN = Row(Verdict.UNKNOWN, "no source", "Look it up in the vendor's list of errors")

UNREACHABLE = Row(Verdict.DOWN, "no answer", "Try again later; check its address and the network")
"""Of a request without a usable answer."""


@dataclass(frozen=True, slots=True)
class Table:
    """A vendor's answers to one question.

    `read` finds what the vendor itself says, None when the answer is not in its form; `elsewhere`
    is the advice about an address where something else answers.
    """

    read: Callable[[httpx.Response], Said | None]
    rows: tuple[Row, ...]
    elsewhere: str

    @property
    def all_rows(self) -> tuple[Row, ...]:
        """Those of the vendor's own answers, in the order in which they are read."""
        return (*self.rows, _BUSY, _DOWN, _UNKNOWN)

    @property
    def foreign_rows(self) -> tuple[Row, ...]:
        """Those of answers in another form, such as a proxy's or a gateway's page."""
        return (_BUSY, _DOWN, Row(Verdict.ADDRESS, "not the vendor's form", self.elsewhere))

    def judged(self, response: httpx.Response) -> Row:
        """The first row that fits. There always is one."""
        said = self.read(response)
        rows = self.foreign_rows if said is None else self.all_rows
        status = response.status_code
        return next(row for row in rows if row.fits(status, said or Said("", "")))


def in_form(response: httpx.Response, form: type[Form]) -> Form | None:
    """The body as `form`, None when it is not of that form."""
    try:
        return form.model_validate_json(response.content)
    except ValidationError:
        return None
