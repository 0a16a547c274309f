"""Time zones by the names that Node accepts. Pure except for the machine's own zone."""

import re
from datetime import timedelta, timezone, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

# Three-letter names that Node's ICU still has and the tz database does not, with ICU's meaning: CST
# is Chicago, not China.
_OLD_NAMES = {
    "ACT": "Australia/Darwin",
    "AET": "Australia/Sydney",
    "AGT": "America/Argentina/Buenos_Aires",
    "ART": "Africa/Cairo",
    "AST": "America/Anchorage",
    "BET": "America/Sao_Paulo",
    "BST": "Asia/Dhaka",
    "CAT": "Africa/Maputo",
    "CNT": "America/St_Johns",
    "CST": "America/Chicago",
    "CTT": "Asia/Shanghai",
    "EAT": "Africa/Nairobi",
    "ECT": "Europe/Paris",
    "IET": "America/Indiana/Indianapolis",
    "IST": "Asia/Kolkata",
    "JST": "Asia/Tokyo",
    "MIT": "Pacific/Apia",
    "NET": "Asia/Yerevan",
    "NST": "Pacific/Auckland",
    "PLT": "Asia/Karachi",
    "PNT": "America/Phoenix",
    "PRT": "America/Puerto_Rico",
    "PST": "America/Los_Angeles",
    "SST": "Pacific/Guadalcanal",
    "VST": "Asia/Ho_Chi_Minh",
}
_LOCAL = {"", "local", "system", "default"}
_OFFSET = re.compile(r"(?:utc)?([+-])(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE | re.ASCII)


class UnknownZone(ValueError):
    """No time zone of that name."""


@lru_cache
def zone(name: str | None) -> tzinfo | None:
    """The time zone, None for the machine's own (`TZ`). Raises UnknownZone."""
    if name is None or name.lower() in _LOCAL:
        return None
    if offset := _OFFSET.fullmatch(name):
        return _fixed(*offset.groups())
    found = _named(_OLD_NAMES.get(name.upper(), name)) or _named(_by_lower_case().get(name.lower()))
    if found is None:
        raise UnknownZone(f"there is no time zone {name[:100]!r}")
    return found


def _named(name: str | None) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _fixed(sign: str, hours: str, minutes: str | None) -> tzinfo:
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    try:
        return timezone(-offset if sign == "-" else offset)
    except ValueError:
        raise UnknownZone(f"no time zone is {sign}{hours} hours away") from None


@cache
def _by_lower_case() -> dict[str, str]:
    """Zones by lower-case name, as Node ignores case. Slow: reads a file for each zone."""
    return {name.lower(): name for name in available_timezones()}
