"""What Supabase's storage knows of an object.

`GET /object/info/{bucket}/{path}`: `{name, size, last_modified, created_at, metadata, …}`
(supabase/storage:src/storage/renderer/info.ts). Supabase Lite gives its row instead: `updated_at`,
and the size in `metadata`, which a hosted project keeps for what the uploader said.
"""

from http import HTTPStatus
from typing import Any

import httpx
from pydantic import AliasChoices, BaseModel, Field, ValidationError

from core.columns import Moment
from core.errors import ServiceError
from core.paths import Bucket
from services.storage.objects import exchange


class ObjectInfo(BaseModel):
    """`written_at` is when its content was stored, by the server's clock."""

    size: int | None = None
    written_at: Moment = Field(validation_alias=AliasChoices("last_modified", "updated_at"))
    metadata: dict[str, Any] | None = None

    @property
    def size_bytes(self) -> int | None:
        """None when it is not known."""
        return self.size if self.size is not None else (self.metadata or {}).get("size")


async def info_of(client: httpx.AsyncClient, bucket: Bucket, path: str) -> ObjectInfo | None:
    """None where there is no such object, or nothing is known of it. Raises ServiceError."""
    try:
        response = await exchange(client, "GET", f"/object/info/{bucket}/{path}", headers={})
        return ObjectInfo.model_validate_json(response.content)
    except ValidationError:
        return None
    except ServiceError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return None
        raise
