"""Checks whether a vendor accepts a key, by a read request that costs nothing.

Most request a task that does not exist: the vendor checks the key first, and only then answers that
there is none. Each vendor's own module defines its request.
"""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from enum import Enum

import httpx
from pydantic import SecretStr

from config.settings import Settings, variable_of
from services.net.http import new_client, service_error, transport_error

# An id that no task has.
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
_TIMEOUT = httpx.Timeout(5)
# Some (Google) report a wrong key as a bad argument: status 400.
_WRONG_KEY = "api key"


class Accepted(Enum):
    """Whether the vendor accepts the key."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Answer:
    """`message` is the vendor's own reason for NO, and ours for UNKNOWN."""

    accepted: Accepted
    message: str = ""


def _bearer(key: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {key}"}


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor, as its own module describes it.

    `key_field` is its key in the settings, `serves` what the key is used for. A vendor with a
    substitute does not need a key. `url` is requested to check the key, which `headers` hold.
    """

    name: str
    _: KW_ONLY
    key_field: str
    serves: str
    url: Callable[[Settings], str]
    headers: Callable[[str], Mapping[str, str]] = _bearer
    has_substitute: bool = False

    @property
    def variable(self) -> str:
        """The environment variable of the key."""
        return variable_of(self.key_field)

    def key(self, settings: Settings) -> SecretStr | None:
        """The configured key."""
        return getattr(settings, self.key_field)


async def probe_key(vendor: Vendor, settings: Settings, key: SecretStr) -> Answer:
    """Send one request to the vendor."""
    headers = vendor.headers(key.get_secret_value())
    async with new_client(
        settings, service=vendor.name, headers=headers, timeout=_TIMEOUT
    ) as client:
        try:
            response = await client.get(vendor.url(settings))
        except httpx.HTTPError as error:
            message = str(transport_error(vendor.name, "check the key", error))
            return Answer(Accepted.UNKNOWN, message)
    return _classified(vendor, response)


def _classified(vendor: Vendor, response: httpx.Response) -> Answer:
    if response.is_success:
        return Answer(Accepted.YES)
    message = str(service_error(vendor.name, "check the key", response))
    status = response.status_code
    if status in {401, 403} or (status == 400 and _WRONG_KEY in message.lower()):
        return Answer(Accepted.NO, message)
    if status >= 500:
        return Answer(Accepted.UNKNOWN, f"{vendor.name} answered {status}: {message}")
    return Answer(Accepted.YES)
