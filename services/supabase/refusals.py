"""Supabase's errors, and which of them are transient."""

from core.errors import ServiceError
from services.net.http import is_transient_status, one_line

# 402: the project is over its quota until it is paid, 423: the object is locked, for example a
# resumable upload by the request of a broken connection.
_TRANSIENT_HERE = frozenset({402, 423})


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
    )


def _is_transient(code: str, status: int | None) -> bool:
    # SQLSTATE 08: connection, 40: serialization, deadlock, 53: out of resources, 55: not in the
    # needed state, 57: operator's intervention, 58 and XX: the server itself. 25006: a full disk
    # makes a project read-only, which PostgREST answers with 405. PGRST00x: PostgREST cannot reach
    # its database; 204, 205: it has not read the new schema yet. No code at all: a gateway.
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
        "25006",
        "PGRST00",
        "PGRST204",
        "PGRST205",
    )
    # With a code, a status below 500 proves little: 409 is also a duplicate key.
    return code.startswith(transient)
