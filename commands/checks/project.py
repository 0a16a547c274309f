"""The Supabase project: its key, its tables, its buckets, and whether it can be written to."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

from commands.checks.finding import Finding, failed, ok, warning
from config.settings import Settings
from core.errors import ServiceError
from core.paths import Bucket
from services.supabase.probe import (
    BucketFacts,
    KeyRefused,
    NoTable,
    SupabaseProbe,
    is_older_kind,
    kind_of_key,
)
from services.supabase.schema import COLUMNS
from services.supabase.storyboards import MAX_IMAGE_BYTES

AREA = "Supabase"
_MIB = 1024 * 1024
_SERVICE_KEY = (
    "Take a secret key (sb_secret_…) of this project, or its service_role key (Project Settings, "
    "API Keys), for SUPABASE_SERVICE_KEY"
)
_NEWER_KEY = (
    "Make a secret key (Project Settings, API Keys) and set it in any of the variables for this "
    "key: one that begins with sb_secret_ wins"
)
# SQLSTATE for a write to a database that is read-only.
_READ_ONLY = "25006"
_DISK_FULL = (
    "The database's disk is full or nearly so, and Supabase made the project read-only: enlarge "
    "the disk, or make room (Database, Settings); until then jobs wait with what they have to write"
)
_OVER_QUOTA = (
    "The project is over its quota and restricted: look at Usage in the dashboard, and upgrade the "
    "plan or lift the spend cap; until then jobs wait"
)
# The object size that the app's buckets must accept; a free plan's limit is 50 MB for any bucket.
_WANTED_BYTES = {
    Bucket.IMAGES: MAX_IMAGE_BYTES,
    Bucket.THUMBNAILS: 5 * _MIB,
    Bucket.VIDEOS: 50 * 1000 * 1000,
}


async def check(settings: Settings, key_variable: str) -> list[Finding]:
    """Check tables and buckets; a refused key, from `key_variable`, is reported once."""
    key_finding = _public(settings)
    probe = SupabaseProbe(settings)
    try:
        # The tables first: their error for a bad key is clearer than the storage's.
        found = [*await _tables(probe), *await _buckets(probe)]
    except KeyRefused as error:
        text = f"{settings.supabase_url} refuses the key in {key_variable} ({error})"
        refused = key_finding or failed(AREA, text, _SERVICE_KEY)
        return [refused, *_older(settings, key_variable)]
    except ServiceError as error:
        return [failed(AREA, f"{settings.supabase_url}: {error}", _remedy(error))]
    finally:
        await probe.aclose()
    accepted = ok(AREA, f"{settings.supabase_url} accepts the key in {key_variable}")
    return [key_finding or accepted, *_older(settings, key_variable), *found]


def _public(settings: Settings) -> Finding | None:
    if kind_of_key(settings.supabase_key.get_secret_value()) != "public":
        return None
    return failed(
        AREA, "The key is the public one (anon or publishable), which may write nothing",
        _SERVICE_KEY,
    )  # fmt: skip


def _older(settings: Settings, key_variable: str) -> list[Finding]:
    """By Supabase's guide to its new keys, which see in config/variables.py."""
    if not is_older_kind(settings.supabase_key.get_secret_value()):
        return []
    text = f"{key_variable} holds a key of the older kind, which is to go by the end of 2026"
    return [warning(AREA, text, _NEWER_KEY)]


def _remedy(error: ServiceError) -> str:
    """What to do about a project that answers, but does not do what it was asked to."""
    if error.status == HTTPStatus.PAYMENT_REQUIRED:
        return _OVER_QUOTA
    if error.code == _READ_ONLY:
        return _DISK_FULL
    return "Check SUPABASE_URL and the network; a paused project has to be resumed"


async def _tables(probe: SupabaseProbe) -> list[Finding]:
    """A write is only tried where it cannot fail for a table or column that is missing."""
    found = await asyncio.gather(*(_table(probe, *table) for table in COLUMNS.items()))
    if bad := [finding for finding in found if finding is not None]:
        return bad
    text = f"All {len(COLUMNS)} tables are there, with the columns that jobs use"
    return [ok(AREA, text), await _writing(probe)]


async def _table(probe: SupabaseProbe, table: str, columns: Sequence[str]) -> Finding | None:
    remedy = "Run the app's migrations on this project, or set SUPABASE_URL to the right one"
    try:
        missing = await probe.missing_columns(table, columns)
    except NoTable:
        return failed(AREA, f"There is no table {table}", remedy)
    if missing:
        return failed(AREA, f"The table {table} lacks {', '.join(missing)}", remedy)
    return None


async def _writing(probe: SupabaseProbe) -> Finding:
    try:
        await probe.try_write()
    except ServiceError as error:
        return failed(AREA, f"Rows cannot be written: {error}", _remedy(error))
    return ok(AREA, "Rows can be written")


async def _buckets(probe: SupabaseProbe) -> list[Finding]:
    there = await probe.buckets()
    return [finding for bucket in Bucket for finding in _bucket(bucket, there.get(bucket))]


def _bucket(bucket: Bucket, facts: BucketFacts | None) -> list[Finding]:
    if facts is None:
        remedy = f"Create the public bucket {bucket} (Storage, New bucket)"
        return [failed(AREA, f"There is no bucket {bucket}", remedy)]
    found = [_limit(bucket, facts.file_size_limit)]
    if not facts.public:
        found.append(
            failed(
                AREA,
                f"The bucket {bucket} is private: stored files would not be visible",
                "Make it public (Storage, Edit bucket)",
            )
        )
    return found


def _limit(bucket: Bucket, limit: int | None) -> Finding:
    if limit is None:
        return ok(AREA, f"Bucket {bucket}: files up to the project's limit")
    text = f"Bucket {bucket}: files up to {limit / _MIB:g} MiB"
    if limit < _WANTED_BYTES[bucket]:
        wanted = f"{_WANTED_BYTES[bucket] / _MIB:.0f} MiB"
        return warning(AREA, text, f"Raise it to {wanted} at least: larger files cannot be stored")
    return ok(AREA, text)
