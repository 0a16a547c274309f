"""Where the scenes are played: the real vendors, and the stand-ins."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from config.environment import Environment
from config.problems import names
from config.settings import Settings, load_settings
from sandbox.live.answers import Seen, not_seen, seen
from sandbox.providers.models import Operation
from sandbox.providers.server import Providers
from services.accounts.vendor import Vendor
from services.net.http import new_client

# A picture of Seedream 5.0 Pro takes up to five minutes.
_TIMEOUT = httpx.Timeout(300, connect=10)
# A picture in base64.
_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_FIELDS = (
    *("byteplus_key", "byteplus_url", "byteplus_image_model"),
    *("google_key", "google_url", "gemini_image_model"),
    *("wavespeed_key", "wavespeed_url", "shotstack_key", "shotstack_url", "ca_file"),
)
# Required, though nobody is asked there.
_UNUSED = {"SUPABASE_URL": "http://unused.invalid", "SUPABASE_SERVICE_KEY": "unused"}


@dataclass(frozen=True, slots=True)
class Target:
    """`clip_url` is a video of at least one second that the renderer of films can fetch."""

    settings: Settings
    clip_url: str


class Stage:
    """One vendor at one target."""

    def __init__(self, target: Target, vendor: Vendor) -> None:
        self.settings = target.settings
        self.clip_url = target.clip_url
        self.vendor = vendor

    async def send(
        self, step: str, method: str, url: str, *, body: Any = None, key: str | None = None
    ) -> tuple[Seen, httpx.Response | None]:
        """Send one request, with another `key` than the right one if it says so."""
        right = self.vendor.key(self.settings)
        assert right is not None
        headers = self.vendor.headers(key or right.get_secret_value())
        async with new_client(
            self.settings,
            service=self.vendor.name,
            headers=headers,
            timeout=_TIMEOUT,
            max_answer_bytes=_MAX_ANSWER_BYTES,
        ) as client:
            try:
                response = await client.request(method, url, json=body)
            except httpx.HTTPError as error:
                return not_seen(step, type(error).__name__), None
        return seen(step, response), response


def settings_of(values: Mapping[str, str]) -> Settings:
    """Those about vendors. Raises ConfigError with one line for each wrong variable."""
    wanted = [name for field in _FIELDS for name in names(field, Settings)]
    found = {name: values[name] for name in wanted if name in values}
    return load_settings(environment=Environment({**_UNUSED, **found}, {}))


@asynccontextmanager
async def stand_ins(folder: Path, real: Settings) -> AsyncGenerator[Target]:
    """New stand-ins, which are asked for the models that the vendors are."""
    models = {
        "BYTEPLUS_IMAGE_MODEL": real.byteplus_image_model,
        "GEMINI_IMAGE_MODEL": real.gemini_image_model,
    }
    async with Providers(folder, plain=True) as providers:
        clip_url = await providers.control.register("tasks", "cgt-live", Operation(seconds=1))
        assert clip_url is not None
        yield Target(settings_of({**providers.environment, **models}), clip_url)
