"""Starts and stops the stand-ins' process, and tells a worker where they are."""

import asyncio
import sys
from pathlib import Path
from typing import Self

from sandbox.processes import LOOPBACK, Process, SandboxError, exists
from sandbox.providers import keys
from sandbox.providers.client import Control
from sandbox.providers.files.store import GOOGLE_HOST, MEDIA_HOST
from sandbox.providers.models import Ready

_ROOT = Path(__file__).parent.parent.parent


class Providers:
    """The stand-ins for all vendors, as one process with its files in `folder`.

    `plain` leaves the text off the pictures and draws each size once: for benchmarks.
    """

    def __init__(self, folder: Path, *, font: Path | None = None, plain: bool = False) -> None:
        self.folder = folder
        self._ready: Ready | None = None
        self._control: Control | None = None
        command: list[str | Path] = [sys.executable, "-m", "sandbox.providers"]
        command += ["--state-dir", folder.absolute()]
        command += ["--font", font.absolute()] if font else []
        command += ["--plain"] if plain else []
        self.process = Process(command, folder / "providers.log", name="providers", cwd=_ROOT)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start and wait until both servers listen. Raises SandboxError."""
        file = self.folder / "ready.json"
        file.unlink(missing_ok=True)
        await self.process.start(exists(file))
        text = await asyncio.to_thread(file.read_text)
        self._ready = Ready.model_validate_json(text)
        self._control = Control(self.api_url)

    async def stop(self) -> None:
        """Stop; the files stay."""
        if self._control is not None:
            await self._control.aclose()
            self._control = None
        await self.process.stop(grace_s=5)
        self._ready = None

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self._started.port}"

    @property
    def byteplus_url(self) -> str:
        return f"{self.api_url}/ark/api/v3"

    @property
    def shotstack_url(self) -> str:
        return f"{self.api_url}/shotstack"

    @property
    def wavespeed_url(self) -> str:
        return f"{self.api_url}/wavespeed/api/v3"

    @property
    def google_url(self) -> str:
        return f"{self.api_url}/google"

    @property
    def media_url(self) -> str:
        return f"https://{MEDIA_HOST}:{self.media_port}"

    @property
    def media_port(self) -> int:
        return self._started.media_port

    @property
    def media_folder(self) -> Path:
        """What lies in here is served by its path."""
        return Path(self._started.media_folder)

    @property
    def ca_file(self) -> Path:
        return Path(self._started.ca_file)

    @property
    def ca_bundle(self) -> Path:
        """The public roots and the sandbox's own."""
        return Path(self._started.ca_bundle)

    @property
    def control(self) -> Control:
        if self._control is None:
            raise SandboxError("providers were not started")
        return self._control

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a worker talks to the stand-ins."""
        return {
            "BYTEPLUS_API_KEY": keys.BYTEPLUS,
            "BYTEPLUS_ARK_BASE_URL": self.byteplus_url,
            "GOOGLE_AI_API_KEY": keys.GOOGLE,
            "GOOGLE_GEMINI_BASE_URL": self.google_url,
            "WAVESPEED_API_KEY": keys.WAVESPEED,
            "WAVESPEED_API_URL": self.wavespeed_url,
            "SHOTSTACK_API_KEY": keys.SHOTSTACK,
            "SHOTSTACK_API_URL": self.shotstack_url,
            "DOWNLOAD_ALLOWED_HOSTS": ",".join(
                f"{host}:{self.media_port}={LOOPBACK}" for host in (MEDIA_HOST, GOOGLE_HOST)
            ),
            "SSL_CERT_FILE": str(self.ca_bundle),
        }

    @property
    def _started(self) -> Ready:
        if self._ready is None:
            raise SandboxError("providers were not started")
        return self._ready
