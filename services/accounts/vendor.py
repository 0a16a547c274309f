"""A vendor that the worker may have a key of, and the questions that prove its account."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass

from pydantic import SecretStr

from config.settings import Settings, variable_of
from services.accounts.verdicts import Table

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
"""An id that nothing has."""


def bearer(key: str) -> Mapping[str, str]:
    """The header that most vendors want."""
    return {"Authorization": f"Bearer {key}"}


@dataclass(frozen=True, slots=True)
class Question:
    """One request that buys nothing: a GET, or with a `body` a POST that is refused.

    `opens` completes "{vendor} …" when the account is served, `where` is the address that operators
    know, and `model` what is asked for, if a model is. Where the answer tells nothing of that, the
    same is asked with `control`, a body about a model that there certainly is none of: a refusal of
    it shows that the vendor looks. `for_pictures`: matters only where pictures are bought.
    """

    opens: str
    url: str
    table: Table
    _: KW_ONLY
    where: str
    model: str = ""
    body: Mapping[str, str] | None = None
    control: Mapping[str, str] | None = None
    for_pictures: bool = False


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor, as its own module describes it.

    `key_field` is its key in the settings, which `headers` hold; `serves` is what the key is used
    for. A vendor with a substitute does not need one. The first question is about the key.
    """

    name: str
    _: KW_ONLY
    key_field: str
    serves: str
    questions: Callable[[Settings], Sequence[Question]]
    headers: Callable[[str], Mapping[str, str]] = bearer
    has_substitute: bool = False

    @property
    def variable(self) -> str:
        """The environment variable of the key."""
        return variable_of(self.key_field)

    def key(self, settings: Settings) -> SecretStr | None:
        """The configured key."""
        return getattr(settings, self.key_field)
