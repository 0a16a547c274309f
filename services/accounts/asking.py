"""Asks a vendor its questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import httpx
from pydantic import SecretStr

from config.settings import Settings
from services.accounts.vendor import Question, Vendor
from services.accounts.verdicts import UNREACHABLE, Row, Verdict
from services.net.http import new_client, one_line, service_error, transport_error

_OPERATION = "check the account"
# Three of them, one after the other, fit into the 12 s of a check.
_TIMEOUT = httpx.Timeout(3.5)


@dataclass(frozen=True, slots=True)
class Answer:
    """`quoted` is the vendor's answer in one line, without the key, or ours when none came.

    It is empty where the vendor refused as it should.
    """

    question: Question
    row: Row
    quoted: str

    @property
    def verdict(self) -> Verdict:
        """What the answer tells."""
        return self.row.verdict


async def ask(
    vendor: Vendor, settings: Settings, key: SecretStr, questions: Sequence[Question]
) -> list[Answer]:
    """The answers to the questions, up to the first that is not OPEN: others would repeat it."""
    headers = vendor.headers(key.get_secret_value())
    found: list[Answer] = []
    async with new_client(
        settings, service=vendor.name, headers=headers, timeout=_TIMEOUT
    ) as client:
        for question in questions:
            found.append(await _answer(vendor, client, question))
            if found[-1].verdict is not Verdict.OPEN:
                break
    return found


async def _answer(vendor: Vendor, client: httpx.AsyncClient, question: Question) -> Answer:
    try:
        response = await _sent(client, question.url, question.body)
        row = question.table.judged(response)
        if row.verdict is Verdict.UNTOLD and question.control is not None:
            control = await _sent(client, question.url, question.control)
            # It refuses a model that is not there before it looks at the rest: it has found ours.
            if question.table.judged(control).verdict is Verdict.MODEL:
                row = replace(row, verdict=Verdict.OPEN)
    except httpx.HTTPError as error:
        return Answer(question, UNREACHABLE, str(transport_error(vendor.name, _OPERATION, error)))
    return Answer(question, row, one_line(_quoted(vendor, question, row, response)).rstrip("."))


async def _sent(
    client: httpx.AsyncClient, url: str, body: Mapping[str, str] | None
) -> httpx.Response:
    return await (client.get(url) if body is None else client.post(url, json=dict(body)))


def _quoted(vendor: Vendor, question: Question, row: Row, response: httpx.Response) -> str:
    said = question.table.read(response)
    status = response.status_code
    if said is None:
        kind = response.headers.get("content-type", "").partition(";")[0]
        return f"{status}, {kind or 'of no content type'}"
    if response.is_success:
        return said.message
    if row.verdict is Verdict.OPEN:
        return ""  # a refusal, as it was meant to be
    error = service_error(vendor.name, _OPERATION, response)  # which knows how to hide the key
    return f"{status}{f' {said.code}' if said.code else ''}: {error}"
