"""Whether a vendor accepts a key, by a request that reads and costs nothing.

Most ask after a piece of work that nobody ordered: the vendor looks at the key first, and says only
then that there is none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import httpx
from pydantic import SecretStr

from config.settings import Settings
from services.google import API_VERSION
from services.net.google_api import API_HOST, KEY_HEADER
from services.net.http import new_client, service_error, transport_error

_TIMEOUT = httpx.Timeout(5)
_NOBODYS = "00000000-0000-4000-8000-000000000000"
# Google takes a wrong key for a bad argument: status 400.
_WRONG_KEY = "api key"


class Accepted(Enum):
    """What the vendor's answer says of the key."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """`message` is the vendor's own reason for a no, and a sentence for an unknown."""

    accepted: Accepted
    message: str = ""


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor. `variable` and `key_field` name its key, which is for what it `serves`."""

    name: str
    variable: str
    serves: str
    key_field: str
    url: Callable[[Settings], str]
    headers: Callable[[str], Mapping[str, str]]

    def key(self, settings: Settings) -> SecretStr | None:
        """The key that is set."""
        return getattr(settings, self.key_field)


def _bearer(key: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _google_model(settings: Settings) -> str:
    base = settings.google_url or f"https://{API_HOST}"
    return f"{base}/{API_VERSION}/models/{settings.gemini_image_model}"


VENDORS = (
    Vendor(
        "BytePlus",
        "BYTEPLUS_API_KEY",
        "Seedream pictures and Seedance clips",
        "byteplus_key",
        lambda settings: f"{settings.byteplus_url}/contents/generations/tasks/{_NOBODYS}",
        _bearer,
    ),
    Vendor(
        "Google",
        "GOOGLE_AI_API_KEY",
        "Gemini pictures and Google's Veo clips",
        "google_key",
        _google_model,
        lambda key: {KEY_HEADER: key},
    ),
    Vendor(
        "Wavespeed",
        "WAVESPEED_API_KEY",
        "Wavespeed's Veo clips",
        "wavespeed_key",
        lambda settings: f"{settings.wavespeed_url}/predictions/{_NOBODYS}/result",
        _bearer,
    ),
    Vendor(
        "Shotstack",
        "SHOTSTACK_API_KEY",
        "final videos",
        "shotstack_key",
        lambda settings: f"{settings.shotstack_url}/render/{_NOBODYS}",
        lambda key: {"x-api-key": key},
    ),
)


async def ask(vendor: Vendor, settings: Settings, key: SecretStr) -> Answer:
    """One request to the vendor."""
    headers = vendor.headers(key.get_secret_value())
    async with new_client(
        settings, service=vendor.name, headers=headers, timeout=_TIMEOUT
    ) as client:
        try:
            response = await client.get(vendor.url(settings))
        except httpx.HTTPError as error:
            message = str(transport_error(vendor.name, "look at the key", error))
            return Answer(Accepted.UNKNOWN, message)
    return _classified(vendor, response)


def _classified(vendor: Vendor, response: httpx.Response) -> Answer:
    if response.is_success:
        return Answer(Accepted.YES)
    message = str(service_error(vendor.name, "look at the key", response))
    status = response.status_code
    if status in {401, 403} or (status == 400 and _WRONG_KEY in message.lower()):
        return Answer(Accepted.NO, message)
    if status >= 500:
        return Answer(Accepted.UNKNOWN, f"{vendor.name} answered {status}: {message}")
    return Answer(Accepted.YES)
