"""Values of the app's columns: numbers as Postgres takes them, timestamps as it returns them.

The numbers come from untrusted files. One out of range would make the whole update fail, with all
its other columns.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

_INTEGER_MAX = 2**31 - 1
_BIGINT_MAX = 2**63 - 1
# The columns of resolutions hold ten characters: two numbers of four digits and an x.
_SIDE_MAX = 9999


def as_integer(number: float) -> int:
    """For a column of Postgres's type `integer`: rounded, 0 at least."""
    return round(min(max(number, 0), _INTEGER_MAX))


def as_bigint(number: int) -> int:
    """For a column of Postgres's type `bigint`: 0 at least."""
    return min(max(number, 0), _BIGINT_MAX)


def as_resolution(width: int, height: int) -> str:
    """As in `1920x1080`, ten characters at most."""
    return f"{min(width, _SIDE_MAX)}x{min(height, _SIDE_MAX)}"


def _parsed(value: Any) -> Any:
    """Accepts Postgres's own format, whose zone is `+00`; pydantic parses all others."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, BeforeValidator(_parsed), AfterValidator(_aware)]
"""Always with a zone: a column without one holds UTC."""
