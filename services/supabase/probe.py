"""Checks a Supabase project: key, tables, columns, buckets, and whether rows can be written.

Reads no row and changes none.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any, Literal

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from config.settings import Settings
from config.variables import NEWER_KEY
from core.errors import ServiceError
from services.net.http import new_client, service_error, transport_error

_SERVICE = "Supabase"
_TIMEOUT = httpx.Timeout(5)
_NO_COLUMN = re.compile(r"column \S*?(\w+) does not exist")
# PostgREST's code, and the database's own.
_NO_TABLE = frozenset({"PGRST205", "42P01"})
# The statuses when the API refuses the key, and when the database does.
_KEY_REFUSED = frozenset({401, 403})

KeyKind = Literal["service", "public", "unknown"]


class BucketFacts(BaseModel):
    """A bucket. Without a limit of its own, the project's applies."""

    id: str
    public: bool = False
    file_size_limit: int | None = None


class NoTable(Exception):
    """The project has no such table, or the API does not expose it."""


class KeyRefused(Exception):
    """The key is not one of this project, or may not read the table."""


class _Claims(BaseModel):
    role: str = ""


_BUCKETS = TypeAdapter(list[BucketFacts])


def kind_of_key(key: str) -> KeyKind:
    """The kind of a key: by its prefix, or by the role that a JWT claims."""
    if key.startswith(NEWER_KEY):
        return "service"
    if key.startswith("sb_publishable_"):
        return "public"
    match _claimed_role(key):
        case "service_role":
            return "service"
        case "anon" | "authenticated":
            return "public"
        case _:
            return "unknown"


def is_older_kind(key: str) -> bool:
    """Whether it is one of the JWTs that Supabase's secret keys take the place of."""
    return bool(_claimed_role(key))


def _claimed_role(key: str) -> str:
    _, _, rest = key.partition(".")
    payload, _, _ = rest.partition(".")
    try:
        padded = payload + "=" * (-len(payload) % 4)
        return _Claims.model_validate_json(base64.urlsafe_b64decode(padded)).role
    except (binascii.Error, ValidationError, ValueError):
        return ""


class SupabaseProbe:
    """Requests to one project. All methods raise ServiceError and KeyRefused."""

    def __init__(self, settings: Settings) -> None:
        key = settings.supabase_key.get_secret_value()
        self._client = new_client(
            settings,
            service="Supabase",
            base_url=settings.supabase_url,
            headers={"apikey": key, "Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT,
        )

    async def missing_columns(self, table: str, columns: Sequence[str]) -> list[str]:
        """Those that the table lacks. Raises NoTable."""
        there = list(columns)
        missing: list[str] = []
        while there:
            lacking = await self._lacking(table, there)
            if lacking is None:
                break
            # PostgREST names one at a time.
            missing.append(lacking)
            there.remove(lacking)
        return missing

    async def buckets(self) -> dict[str, BucketFacts]:
        """All buckets by name."""
        response = await self._ask("GET", "read the buckets", "/storage/v1/bucket")
        if response.is_error:
            raise _refusal("read the buckets", response)
        try:
            return {one.id: one for one in _BUCKETS.validate_json(response.content)}
        except ValidationError:
            raise _unreadable("read the buckets") from None

    async def try_write(self) -> None:
        """Update no row: a database that is read-only refuses that as well (SQLSTATE 25006).

        No row is without an id, of whatever type that is.
        """
        response = await self._ask(
            "PATCH",
            "write rows",
            "/rest/v1/project_storyboards",
            params={"id": "is.null"},
            json={"error_message": None},
            headers={"Prefer": "return=minimal"},
        )
        if response.is_error:
            raise _refusal("write rows", response)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _lacking(self, table: str, columns: Sequence[str]) -> str | None:
        """A column that the table lacks, None if it has all."""
        operation = f"read {table}"
        params = {"select": ",".join(columns), "limit": "0"}
        response = await self._ask("GET", operation, f"/rest/v1/{table}", params=params)
        if response.is_success:
            _check_rows(operation, response)
            return None
        error = _refusal(operation, response)
        if error.code in _NO_TABLE:
            raise NoTable(table)
        named = _NO_COLUMN.search(str(error)) if error.code == "42703" else None
        if named and named[1] in columns:
            return named[1]
        raise error

    async def _ask(self, method: str, operation: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = await self._client.request(method, path, **request)
        except httpx.HTTPError as error:
            raise transport_error(_SERVICE, operation, error) from error
        if response.status_code in _KEY_REFUSED:
            raise KeyRefused(str(_refusal(operation, response)))
        return response


def _check_rows(operation: str, response: httpx.Response) -> None:
    """Check for a list of rows, empty as requested, not another server's page."""
    try:
        TypeAdapter(list[Any]).validate_json(response.content)
    except ValidationError:
        raise _unreadable(operation) from None


def _refusal(operation: str, response: httpx.Response) -> ServiceError:
    return service_error(_SERVICE, operation, response)


def _unreadable(operation: str) -> ServiceError:
    message = f"what answers to '{operation}' is no Supabase"
    return ServiceError(_SERVICE, operation, message)
