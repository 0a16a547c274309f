"""Updates of rows whose answer is believed only when it says what was changed.

PostgREST answers 200 with `[]` when its filters chose no row. That is right for a condition that no
longer holds; where there still is such a row, nothing was written that had to be.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.errors import ServiceError

if TYPE_CHECKING:
    from services.supabase.client import Row, Supabase


async def change_rows(
    supabase: "Supabase",
    operation: str,
    table: str,
    fields: dict[str, Any],
    chosen: Callable[[Any], Any],
) -> "list[Row]":
    """Set columns of the rows that `chosen` filters, and return them as they are now.

    None are returned when there is no such row (any more): the caller says what that means. Raises
    ServiceError, also when there is one and it was not changed.
    """
    changed = await supabase.query(
        operation, lambda db: chosen(db.from_(table).update(fields)).execute()
    )
    if changed:
        return changed
    left = await supabase.query(
        operation, lambda db: chosen(db.from_(table).select("id")).limit(1).execute()
    )
    if left:
        raise nothing_written(operation)
    return []


def nothing_written(operation: str) -> ServiceError:
    """A success in name only: another attempt may write it."""
    message = f"Supabase changed nothing when it was asked to {operation}"
    return ServiceError("Supabase", operation, message, retryable=True)
