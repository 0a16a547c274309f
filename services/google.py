"""Google: its key, and its `google-genai` client (0.4 s and 42 MiB to import: loaded in a thread).

The library uses our own HTTP client, so that proxies, certificates and errors are handled the same.
"""

import asyncio
import importlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import SecretStr

from config.settings import Settings
from services.accounts.google import MODEL
from services.accounts.vendor import Question, Vendor
from services.net.answers import MAX_ANSWER_BYTES
from services.net.google_api import API_HOST, KEY_HEADER
from services.net.http import new_client, tls_context

if TYPE_CHECKING:
    from google.genai import Client

# The version in which Google documents pictures and Veo's operations. The library's own default
# varies between releases and with GOOGLE_GENAI_API_VERSION, and another version answers 404 to what
# it lacks, as if it were gone.
API_VERSION = "v1beta"


def _questions(settings: Settings) -> tuple[Question]:
    base = f"{settings.google_url or f'https://{API_HOST}'}/{API_VERSION}"
    model = settings.gemini_image_model
    return (
        Question(
            f"accepts the key and serves the model {model} at {base}",
            f"{base}/models/{model}",
            MODEL,
            where=base,
            model=model,
        ),
    )


GOOGLE = Vendor(
    "Google",
    key_field="google_key",
    serves="Gemini pictures and Google's Veo clips",
    questions=_questions,
    headers=lambda key: {KEY_HEADER: key},
)


class Google:
    """One client, created on first use; `timeout` bounds each of its requests.

    `service` labels the requests in the metrics.
    """

    def __init__(
        self,
        settings: Settings,
        key: SecretStr,
        timeout: timedelta,
        service: str,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._base_url = settings.google_url
        self._ca_file = settings.ca_file
        self._key = key
        self._timeout = timeout
        self._http = new_client(
            settings,
            service=service,
            timeout=httpx.Timeout(timeout.total_seconds()),
            max_answer_bytes=max_answer_bytes,
        )
        self._connecting = asyncio.Lock()
        self._client: Client | None = None

    async def client(self) -> "Client":
        """The library's client; its errors are `google.genai.errors.APIError` and httpx's own."""
        async with self._connecting:
            if self._client is None:
                genai = await asyncio.to_thread(importlib.import_module, "google.genai")
                self._client = await asyncio.to_thread(self._connect, genai)
        return self._client

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        if self._client is not None:
            self._client.close()

    def _connect(self, genai: Any) -> "Client":
        # For clients of the library's own that are never used: each would read all certificates.
        tls = tls_context(self._ca_file)
        options = genai.types.HttpOptions(
            base_url=self._base_url,
            api_version=API_VERSION,
            timeout=round(self._timeout.total_seconds() * 1000),
            httpx_async_client=self._http,
            async_client_args={"verify": tls, "ssl": tls},
        )
        # Set explicitly: GOOGLE_GENAI_USE_VERTEXAI would send the key to another host.
        return genai.Client(
            api_key=self._key.get_secret_value(), vertexai=False, http_options=options
        )
