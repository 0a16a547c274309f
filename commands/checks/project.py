"""The Supabase project: its key, its tables, its buckets."""

import asyncio
from collections.abc import Sequence

from commands.checks.finding import Finding, failed, ok, warning
from config.settings import Settings
from core.errors import ServiceError
from core.paths import Bucket
from services.supabase.probe import BucketFacts, KeyRefused, NoTable, SupabaseProbe, kind_of_key
from services.supabase.schema import COLUMNS
from services.supabase.storyboards import MAX_IMAGE_BYTES

AREA = "Supabase"
_MIB = 1024 * 1024
_SERVICE_KEY = (
    "Take the service_role or sb_secret_ key of this project (Project Settings, API Keys) "
    "for SUPABASE_SERVICE_KEY"
)
# The object size that the app's buckets must accept; a free plan's limit is 50 MB for any bucket.
_WANTED_BYTES = {
    Bucket.IMAGES: MAX_IMAGE_BYTES,
    Bucket.THUMBNAILS: 5 * _MIB,
    Bucket.VIDEOS: 50 * 1000 * 1000,
}


async def check(settings: Settings) -> list[Finding]:
    """Check tables and buckets; a refused key is reported once."""
    key_finding = _key(settings)
    probe = SupabaseProbe(settings)
    try:
        # The tables first: their error for a bad key is clearer than the storage's.
        found = [*await _tables(probe), *await _buckets(probe)]
    except KeyRefused as error:
        text = f"{settings.supabase_url} refuses the key ({error})"
        return [key_finding or failed(AREA, text, _SERVICE_KEY)]
    except ServiceError as error:
        remedy = "Check SUPABASE_URL and the network; a paused project has to be resumed"
        return [failed(AREA, f"{settings.supabase_url}: {error}", remedy)]
    finally:
        await probe.aclose()
    accepted = key_finding or ok(AREA, f"{settings.supabase_url} accepts the key")
    return [accepted, *found]


def _key(settings: Settings) -> Finding | None:
    if kind_of_key(settings.supabase_key.get_secret_value()) != "public":
        return None
    return failed(
        AREA, "The key is the public one (anon or publishable), which may write nothing",
        _SERVICE_KEY,
    )  # fmt: skip


async def _tables(probe: SupabaseProbe) -> list[Finding]:
    found = await asyncio.gather(*(_table(probe, *table) for table in COLUMNS.items()))
    bad = [finding for finding in found if finding is not None]
    return bad or [ok(AREA, f"All {len(COLUMNS)} tables are there, with the columns that jobs use")]


async def _table(probe: SupabaseProbe, table: str, columns: Sequence[str]) -> Finding | None:
    remedy = "Run the app's migrations on this project, or set SUPABASE_URL to the right one"
    try:
        missing = await probe.missing_columns(table, columns)
    except NoTable:
        return failed(AREA, f"There is no table {table}", remedy)
    if missing:
        return failed(AREA, f"The table {table} lacks {', '.join(missing)}", remedy)
    return None


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
