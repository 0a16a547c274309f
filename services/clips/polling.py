"""What all who make clips are asked in the same way.

Asking costs nothing and changes nothing, so passing troubles are tried again at once. A refusal
says nothing about the clip, whose video may lie ready, unless it is the vendor's own word about
this very clip: a wrong address, key, region or version is refused with the same statuses.
"""

from urllib.parse import quote

import httpx

from core.errors import ServiceError
from services.clips.base import OPERATION
from services.net.http import service_error, transport_error

# A question answers in a second; three tries bridge a hiccup, the job's own attempts an outage.
TIMEOUT_S = 30
ATTEMPTS = 3


async def ask(service: str, client: httpx.AsyncClient, path: str) -> httpx.Response:
    """The answer of 200 at `path`. Raises ServiceError for any other."""
    try:
        response = await client.get(path)
    except httpx.HTTPError as error:
        raise transport_error(service, OPERATION, error) from error
    if response.status_code != httpx.codes.OK.value:
        raise service_error(service, OPERATION, response)
    return response


def unreadable(service: str) -> ServiceError:
    """An answer of 200 that is not of the documented shape."""
    message = f"{service} gave an answer that cannot be read"
    return ServiceError(service, OPERATION, message, retryable=True)


def as_path(text: str) -> str | None:
    """An id as a path that leads nowhere else; None when it has empty or dotted segments."""
    segments = text.split("/")
    if any(segment.strip(".") == "" for segment in segments):
        return None
    return "/".join(quote(segment, safe=":") for segment in segments)


def as_segment(text: str) -> str | None:
    """An id as one segment of a path; None when there is no such segment."""
    return quote(text, safe="") if text.strip(".") else None
