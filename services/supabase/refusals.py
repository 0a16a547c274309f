"""Supabase's errors, and which of them are transient."""

from datetime import timedelta

import httpx
from pydantic import BaseModel, Field, ValidationError

from core.errors import NotFound, ProviderDown, ServiceError
from core.paths import Bucket
from services.net.http import is_transient_status, one_line, service_error

FULL_ADVICE = (
    "Look at the project's usage: a disk that is nearly full makes it read-only, and a project "
    "over its quota is refused until the plan is raised or paid"
)
"""What to do about a project that is restricted."""
# The project is over its quota until it is paid.
_UNPAID = 402
# A disk that is nearly full makes a project read-only, which PostgREST answers with 405.
_READ_ONLY = "25006"
# PostgREST does not know a new column, or a new table, yet.
_UNREAD_SCHEMA = frozenset({"PGRST204", "PGRST205"})
_SCHEMA_PAUSE = timedelta(seconds=15)
# 423: the object is locked, for example a resumable upload by the request of a broken connection.
_TRANSIENT_HERE = frozenset({_UNPAID, 423})


class _StorageError(BaseModel):
    status_code: str | int = Field(validation_alias="statusCode")
    message: str | None = None


def no_object(bucket: Bucket, path: str, response: httpx.Response) -> Exception:
    """Storage answers 400 for nearly everything, with the true status in the body."""
    try:
        answer = _StorageError.model_validate_json(response.content)
    except ValidationError:
        return service_error("Supabase", f"read from {bucket}", response)
    if str(answer.status_code) == "404":
        return NotFound(f"The bucket {bucket} holds no {path}")
    return refusal(f"read from {bucket}", answer.message, answer.status_code)


def refusal(
    operation: str, message: str | None, code: str | int | None, status: int | None = None
) -> ServiceError:
    """PostgREST gives SQLSTATE or PGRST codes, gateways and storage give HTTP statuses.

    `status` is the response's; a code that is a status itself overrides it.
    """
    text = str(code or "")
    status = int(text) if text.isdigit() and len(text) == 3 else status
    return ServiceError(
        "Supabase",
        operation,
        f"Supabase refused to {operation}: {one_line(message or 'no reason given')}",
        status=status,
        code=text or None,
        retryable=_is_transient(text, status) and "api key" not in (message or "").lower(),
        reach="account" if _is_restricted(text, status, message or "") else "request",
    )


def _is_restricted(code: str, status: int | None, message: str) -> bool:
    """The storage has no code for a read-only database, only words (supabase/storage: codes.ts)."""
    return status == _UNPAID or code == _READ_ONLY or "read-only mode" in message.lower()


def unread_schema(error: ServiceError) -> ProviderDown | None:
    """For a job to wait, for seconds after a migration, while other requests are served."""
    if error.code not in _UNREAD_SCHEMA:
        return None
    return ProviderDown("Supabase", _SCHEMA_PAUSE, f"has not read its schema: {error}")


def _is_transient(code: str, status: int | None) -> bool:
    # SQLSTATE 08: connection, 40: serialization, deadlock, 53: out of resources, 55: not in the
    # needed state, 57: operator's intervention, 58 and XX: the server itself. PGRST00x: PostgREST
    # cannot reach its database. No code at all: a gateway.
    if status in _TRANSIENT_HERE or not code.strip():
        return True
    if status is not None and (code == str(status) or status >= 500):
        return is_transient_status(status)
    transient = (
        "08",
        "40",
        "53",
        "55",
        "57",
        "58",
        "XX",
        _READ_ONLY,
        "PGRST00",
        *_UNREAD_SCHEMA,
    )
    # With a code, a status below 500 proves little: 409 is also a duplicate key.
    return code.startswith(transient)
