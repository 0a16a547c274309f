"""Refusals by Supabase, and whether the same may succeed later."""

from core.errors import ServiceError
from services.net.http import is_transient_status, one_line

# 402: the project is over its quota until somebody pays, 423: something holds the object, as the
# request of a broken connection holds its resumable upload.
_PASSING_HERE = frozenset({402, 423})


def refusal(
    operation: str, message: str | None, code: str | int | None, status: int | None = None
) -> ServiceError:
    """PostgREST gives SQLSTATE or PGRST codes, gateways and storage give HTTP statuses.

    `status` is that of the answer; a code that is one itself overrules it.
    """
    text = str(code or "")
    status = int(text) if text.isdigit() and len(text) == 3 else status
    return ServiceError(
        "Supabase",
        operation,
        f"Supabase refused to {operation}: {one_line(message or 'no reason given')}",
        status=status,
        code=text or None,
        retryable=_is_passing(text, status) and "api key" not in (message or "").lower(),
    )


def _is_passing(code: str, status: int | None) -> bool:
    # SQLSTATE 08: connection, 40: serialization, deadlock, 53: out of resources, 55: not in the
    # needed state, 57: operator's intervention, 58 and XX: the server itself. 25006: a full disk
    # makes a project read-only, which PostgREST answers with 405. PGRST00x: PostgREST cannot reach
    # its database; 204, 205: it has not read the new schema yet. No code at all: a gateway spoke.
    if status in _PASSING_HERE or not code.strip():
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
    # Beside a code a status below 500 says little: 409 is also a key that is there already.
    return code.startswith(transient)
