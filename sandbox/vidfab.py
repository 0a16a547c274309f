"""VidFab on one machine: its queue, its database and storage, and the vendors it pays."""

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from sandbox.providers.server import Providers
from sandbox.redis import RedisServer
from sandbox.supabase import SupabaseLite

# What a worker gets unless told otherwise; the other vendors' keys only when a job needs them.
_VENDOR_SETTINGS = (
    "BYTEPLUS_API_KEY",
    "BYTEPLUS_ARK_BASE_URL",
    "GOOGLE_GEMINI_BASE_URL",
    "DOWNLOAD_ALLOWED_HOSTS",
    "SSL_CERT_FILE",
)


class VidFab:
    """Everything around the worker, started together and gone together.

    `plain` pictures cost the machine next to nothing: for benchmarks. With `appendonly` the queue
    survives a restart of Redis.
    """

    def __init__(self, *, plain: bool = False, appendonly: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="vidfab-providers-"))
        self.redis = RedisServer(appendonly=appendonly)
        self.supabase = SupabaseLite()
        self.providers = Providers(self._folder, plain=plain)
        self._parts = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        """Start all parts at once. Raises SandboxError; nothing is left running then."""
        parts = (self.redis, self.supabase, self.providers)
        try:
            await asyncio.gather(*(self._parts.enter_async_context(part) for part in parts))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop all parts and remove their files."""
        await self._parts.aclose()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def settings(self, queue: str, **more: str) -> dict[str, str]:
        """What a worker in this VidFab has to know, as environment variables."""
        vendors = self.providers.environment
        return {
            "BULLMQ_REDIS_URL": self.redis.url,
            "QUEUE_PREFIX": queue,
            "SUPABASE_URL": self.supabase.url,
            "SUPABASE_SERVICE_KEY": self.supabase.service_key,
            **{name: vendors[name] for name in _VENDOR_SETTINGS},
            "LOG_LEVEL": "debug",
            **more,
        }
