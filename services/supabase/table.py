"""One table of the app: rows read as a model, updates checked to be written."""

from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from core.errors import NotFound, NotOwner, ServiceError
from core.paths import PlainId

if TYPE_CHECKING:
    from services.supabase.client import Row, Supabase

Filters = Callable[[Any], Any]
"""Narrows a request of postgrest's client, whose builders are typed only in part."""


UNSTORED = "storage_status.is.null,storage_status.in.(pending,failed)"
"""For `or_`: rows whose file is only where it was generated."""
# Below the 1000 rows that PostgREST gives at most.
PAGE = 500
FIRST_ID = str(UUID(int=0))
"""Before the ids of all rows."""


class TableRow(BaseModel):
    """Each field is a column that jobs read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class OwnedRow(TableRow):
    """A row that belongs to one user."""

    id: str
    user_id: str


Model = TypeVar("Model", bound=TableRow)
Owned = TypeVar("Owned", bound=OwnedRow)


class Table(Generic[Model]):
    """The table `name`. Operations, such as "read the clips", appear in errors."""

    def __init__(self, supabase: "Supabase", name: str, model: type[Model]) -> None:
        self._supabase = supabase
        self._model = model
        self.name = name
        self.columns = tuple(model.model_fields)

    async def read(self, operation: str, chosen: Filters) -> list[Model]:
        """The rows that `chosen` filters. Raises ServiceError."""
        columns = ",".join(self.columns)
        rows = await self._supabase.query(
            operation, lambda db: chosen(db.from_(self.name).select(columns)).execute()
        )
        return [self._model.model_validate(row) for row in rows]

    async def pages(self, operation: str, chosen: Filters) -> "AsyncGenerator[list[Model]]":
        """All rows that `chosen` filters, in pages by their id. Raises ServiceError.

        By id and not by offset: rows that change meanwhile do not shift others between pages. Only
        an empty page is the last one: the project's own row limit may be below the page's size.
        """
        last = FIRST_ID
        columns = ",".join(self.columns)
        while rows := await self._supabase.query(
            operation,
            lambda db, last=last: (
                chosen(db.from_(self.name).select(columns))
                .gt("id", last)
                .order("id")
                .limit(PAGE)
                .execute()
            ),
        ):
            yield [self._model.model_validate(row) for row in rows]
            last = rows[-1]["id"]

    async def change(self, operation: str, fields: dict[str, Any], chosen: Filters) -> "list[Row]":
        """Set columns of the rows that `chosen` filters, and return the updated rows.

        PostgREST answers 200 with `[]` when no row matches. That is legitimate when a condition no
        longer holds, and left to the caller; but if a matching row still exists, the write was lost
        and this raises ServiceError.
        """
        changed = await self._supabase.query(
            operation, lambda db: chosen(db.from_(self.name).update(fields)).execute()
        )
        if changed:
            return changed
        left = await self._supabase.query(
            operation, lambda db: chosen(db.from_(self.name).select("id")).limit(1).execute()
        )
        if left:
            raise nothing_written(operation)
        return []


async def owned_row(table: Table[Owned], thing: str, row_id: PlainId, user_id: PlainId) -> Owned:
    """The row, if `user_id` owns it. Raises NotFound or NotOwner, which call it a `thing`."""
    rows = await table.read(f"read the {thing}", lambda rows: rows.eq("id", row_id))
    if not rows:
        raise NotFound(f"{thing.capitalize()} {row_id} does not exist")
    if rows[0].user_id != user_id:
        raise NotOwner(f"{thing.capitalize()} {row_id} does not belong to the job's user")
    return rows[0]


def nothing_written(operation: str) -> ServiceError:
    """The error for a success that wrote nothing; a retry may write it."""
    message = f"Supabase changed nothing on the request to {operation}"
    return ServiceError("Supabase", operation, message, retryable=True)
