"""All services of one worker, each created on first use.

What is imported here is imported before the worker waits for jobs. The modules that talk HTTP load
0.2 s of libraries: the services that need them import them late, and types name them in quotes.
"""

import asyncio
import importlib
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from redis.asyncio import Redis

from bullmq_consumer import Job
from config.consumer import queue_of
from config.logging.redaction import Redact, scrubber
from config.settings import Settings
from core.alert import AlertSink, no_alerts
from core.jobs.context import JobContext
from services.clips.alerts import ClipAlerts
from services.films.kept import KeptFilms
from services.images.base import ImageProvider
from services.media.clip_files import ClipFiles
from services.media.composer import Composer
from services.media.ffmpeg import Ffmpeg
from services.storage.films import Films
from services.storage.transfers import Transfers
from services.supabase.clip_upkeep import ClipUpkeep
from services.supabase.clips import Clips
from services.supabase.pointers import Pointers
from services.supabase.projects import Projects
from services.supabase.quotas import Quotas
from services.supabase.shots import Shots
from services.supabase.storyboards import Storyboards
from services.supabase.videos import Videos

if TYPE_CHECKING:
    from bullmq_consumer.inspect.waiting import OpenJobs
    from services.clips.choice import ClipProviders
    from services.films.shotstack import Shotstack
    from services.net.downloads import Downloads
    from services.storage.uploads import Uploads
    from services.supabase.client import Supabase


class Services:
    """The services that handlers use. `notify` receives alerts."""

    def __init__(self, settings: Settings, notify: AlertSink = no_alerts) -> None:
        self.settings = settings
        self._notify = notify
        self._redis: Redis | None = None

    def use_redis(self, redis: Redis) -> None:
        """Keep in the queue's own Redis what outlives a job; before the first job runs."""
        self._redis = redis

    @cached_property
    def scrub(self) -> Redact:
        """Removes secrets from outside services' texts before they are stored with a row or job."""
        return scrubber(self.settings.secrets())

    @cached_property
    def supabase(self) -> "Supabase":
        """Tables and storage."""
        from services.supabase.client import Supabase

        return Supabase(self.settings, self._notify)

    @cached_property
    def projects(self) -> Projects:
        """Project rows."""
        return Projects(self.supabase)

    @cached_property
    def storyboards(self) -> Storyboards:
        """Storyboard rows and pictures."""
        return Storyboards(self.supabase)

    @cached_property
    def clips(self) -> Clips:
        """Clip rows."""
        return Clips(self.supabase)

    @cached_property
    def clip_upkeep(self) -> ClipUpkeep:
        """Clip rows of all projects."""
        return ClipUpkeep(self.supabase)

    @cached_property
    def pointers(self) -> Pointers:
        """Which stored videos are needed."""
        return Pointers(self.supabase)

    @cached_property
    def clip_providers(self) -> "ClipProviders":
        """The providers of clips."""
        from services.clips.choice import ClipProviders

        return ClipProviders(self.settings, self._notify)

    @cached_property
    def clip_alerts(self) -> ClipAlerts:
        """Alerts about clips whose provider does not report their status."""
        return ClipAlerts(self._notify)

    @cached_property
    def quotas(self) -> Quotas:
        """What users store."""
        return Quotas(self.supabase)

    @cached_property
    def videos(self) -> Videos:
        """Rows of single videos."""
        return Videos(self.supabase)

    @cached_property
    def downloads(self) -> "Downloads":
        """Guarded downloads of URLs from job data."""
        from services.net.downloads import Downloads

        return Downloads(self.settings)

    @cached_property
    def uploads(self) -> "Uploads":
        """Large files to storage."""
        from services.storage.uploads import Uploads

        return Uploads(self.settings, self.supabase)

    @cached_property
    def transfers(self) -> Transfers:
        """Videos from URLs in job data to storage."""
        return Transfers(self.downloads, self.uploads, self.supabase)

    @cached_property
    def ffmpeg(self) -> Ffmpeg:
        """Videos on this machine."""
        return Ffmpeg()

    @cached_property
    def images(self) -> ImageProvider | None:
        """The configured image provider, None when no key is set."""
        from services.images.choice import choose_provider

        return choose_provider(self.settings, self.downloads, self._notify)

    @cached_property
    def shots(self) -> Shots:
        """Rows of the script's shots."""
        return Shots(self.supabase)

    @cached_property
    def films(self) -> Films:
        """Final videos."""
        return Films(self.uploads, self.supabase)

    @cached_property
    def kept_films(self) -> KeptFilms:
        """What was paid for of final videos."""
        assert self._redis is not None, "use_redis comes first"
        return KeptFilms(self._redis, queue_of(self.settings))

    @cached_property
    def open_jobs(self) -> "OpenJobs":
        """The unfinished jobs of the worker's queue."""
        from bullmq_consumer.inspect.waiting import OpenJobs

        assert self._redis is not None, "use_redis comes first"
        return OpenJobs(self._redis, queue_of(self.settings))

    @cached_property
    def clip_files(self) -> ClipFiles:
        """The clips' files, from our own storage or through the guard."""
        return ClipFiles(self.supabase, self.downloads)

    @cached_property
    def composer(self) -> Composer:
        """Joins clips on this machine."""
        return Composer(self.ffmpeg)

    @cached_property
    def shotstack(self) -> "Shotstack | None":
        """The configured renderer, None when films are made on this machine."""
        from services.films.shotstack import Shotstack

        key = self.settings.renderer_key
        return Shotstack(self.settings, key, self._notify) if key else None

    async def warm_up(self) -> None:
        """Load what nearly every job needs, so that the first one is not delayed."""
        await asyncio.to_thread(_load_http, self.settings)
        await self.supabase.load()

    async def aclose(self) -> None:
        """Close what was opened."""
        names = ("images", "clip_providers", "shotstack", "uploads", "downloads", "supabase")
        for name in names:
            service = self.__dict__.get(name)
            if service is not None:
                await service.aclose()


def _load_http(settings: Settings) -> None:
    """Import and read what new clients need; run in a thread so that the loop is not blocked."""
    for name in ("services.supabase.client", "services.net.downloads"):
        importlib.import_module(name)
    from services.net.http import tls_context

    tls_context(settings.ca_file)


Data = TypeVar("Data")

Context: TypeAlias = JobContext[Services]
VidfabJob: TypeAlias = Job[Data, Context]
"""What a handler takes: `job.data` is its payload, and `job.deps` its context."""
