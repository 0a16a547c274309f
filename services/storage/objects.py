"""Uploads to Supabase's object storage while the file still arrives, in constant memory.

Above 6 MB by resumable upload (services/storage/tus.py) where the server offers it, else by one
request. Either is stored only with its last byte; until then an existing object stays in place.
"""

from collections.abc import AsyncGenerator, Mapping

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from config.settings import Settings
from core.errors import ServiceError
from services.net.circuit import Circuit
from services.net.http import new_client, one_line, transport_error, with_retries
from services.storage.spool import Upload
from services.supabase.client import ATTEMPTS, STORAGE
from services.supabase.refusals import refusal

# Supabase's advice: above it a broken connection costs too much.
RESUMABLE_ABOVE_BYTES = 6 * 1024 * 1024

OPERATION = "store the video"
# The server may take minutes to assemble an object of gigabytes after its last byte.
_TIMEOUT = httpx.Timeout(60, connect=10, read=300)


class _Refusal(BaseModel):
    """Storage answers 400 to nearly everything; the real status is in the body."""

    model_config = ConfigDict(extra="ignore")

    status_code: str | int | None = Field(None, alias="statusCode")
    message: str | None = None


def new_storage_client(
    settings: Settings, transport: httpx.AsyncBaseTransport
) -> httpx.AsyncClient:
    """A client with the service role's key."""
    key = settings.supabase_key.get_secret_value()
    headers = {"apikey": key, "authorization": f"Bearer {key}"}
    url = f"{settings.supabase_url}/storage/v1"
    return new_client(
        settings,
        service=STORAGE,
        timeout=_TIMEOUT,
        base_url=url,
        headers=headers,
        transport=transport,
    )


async def send_whole(client: httpx.AsyncClient, upload: Upload, circuit: Circuit) -> None:
    """One request with the whole file, repeated from the spool after a transient failure."""

    async def once() -> None:
        await exchange(
            client,
            "POST",
            f"/object/{upload.bucket}/{upload.path}",
            headers={
                "content-length": str(upload.size_bytes),
                "content-type": upload.content_type,
                "cache-control": f"max-age={upload.max_age_s}",
                "x-upsert": "true",
            },
            content=upload.body(0, upload.size_bytes),
        )

    await with_retries(once, attempts=ATTEMPTS, circuit=circuit)


async def exchange(
    client: httpx.AsyncClient,
    method: str,
    url: httpx.URL | str,
    *,
    headers: Mapping[str, str],
    content: AsyncGenerator[bytes] | None = None,
) -> httpx.Response:
    """The successful response to one request to the storage. Raises ServiceError."""
    return checked(await answer(client, method, url, headers=headers, content=content))


async def answer(
    client: httpx.AsyncClient,
    method: str,
    url: httpx.URL | str,
    *,
    headers: Mapping[str, str],
    content: AsyncGenerator[bytes] | None = None,
) -> httpx.Response:
    """The response to one request, of any status. Raises ServiceError when none came."""
    try:
        return await client.request(method, url, headers=headers, content=content)
    except httpx.HTTPError as error:
        raise transport_error("Supabase", OPERATION, error) from error


def checked(response: httpx.Response) -> httpx.Response:
    """The response, if it is a success. Raises ServiceError."""
    if not response.is_success:
        raise _error(response)
    return response


def _error(response: httpx.Response) -> ServiceError:
    try:
        body = _Refusal.model_validate_json(response.content)
    except ValidationError:
        body = _Refusal(statusCode=None)
    status = response.status_code
    # Cloudflare's own statuses, 520 to 530, have no name anywhere.
    message = body.message or httpx.codes.get_reason_phrase(status) or f"it answered {status}"
    return refusal(OPERATION, one_line(message), body.status_code or status)
