"""What all who make clips are asked in the same way.

Asking costs nothing and changes nothing, so passing troubles are tried again at once.
"""

from urllib.parse import quote

import httpx

from core.errors import ServiceError
from services.clip_status import OPERATION, Failed
from services.http import service_error, transport_error

# A question answers in a second; three tries bridge a hiccup, the job's own attempts an outage.
TIMEOUT_S = 30
ATTEMPTS = 3


async def ask(service: str, client: httpx.AsyncClient, path: str) -> httpx.Response | Failed:
    """The answer of 200 at `path`, or the clip's end when the provider does not know its id.

    Raises ServiceError for all that says nothing about the clip.
    """
    try:
        response = await client.get(path)
    except httpx.HTTPError as error:
        raise transport_error(service, OPERATION, error) from error
    match response.status_code:
        case 200:
            return response
        case 404:
            return Failed(f"{service} no longer knows the clip: it is older than 7 days")
        case 400:  # the id is all there is in the request
            return Failed(str(service_error(service, OPERATION, response)))
        case _:
            raise service_error(service, OPERATION, response)


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
