"""Timestamps of rows, as they come from Postgres by way of PostgREST."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator


def _parsed(value: Any) -> Any:
    """A timestamp in Postgres's own form too, whose zone is `+00`; others are pydantic's."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, BeforeValidator(_parsed), AfterValidator(_aware)]
"""With a zone always: a column without one holds UTC."""
