"""Whether a vendor accepts a key, by a request that reads and costs nothing.

Most are asked after a piece of work that nobody ordered: the vendor looks at the key first, and
says only then that there is none. Which request that is stands with each vendor's own code.
"""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from enum import Enum

import httpx
from pydantic import SecretStr

from config.settings import Settings, variable_of
from services.net.http import new_client, service_error, transport_error

# An id that no piece of work has.
NOBODYS = "00000000-0000-4000-8000-000000000000"
_TIMEOUT = httpx.Timeout(5)
# Some (Google) take a wrong key for a bad argument: status 400.
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


def _bearer(key: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {key}"}


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor, as its own module describes it.

    `key_field` of the settings holds its key, which is for what it `serves`; without the key a
    vendor with a substitute is not missed. `url` is where the key is tried, `headers` show it.
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
        """The variable that sets the key."""
        return variable_of(self.key_field)

    def key(self, settings: Settings) -> SecretStr | None:
        """The key that is set."""
        return getattr(settings, self.key_field)


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
