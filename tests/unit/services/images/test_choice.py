import re
from collections.abc import Callable
from typing import get_args

import pytest

from config.settings import Settings, image_key_variables
from config.variables import IMAGE_KEYS, ImageProviderName
from core.errors import ContentRejected, RetryableError, ServiceError, UnrecoverableError, UnsafeUrl
from sandbox.worker_process import ROOT
from services.images.base import GeneratedImage, ImageProvider, ImageRequest, ImageUrl
from services.images.choice import IMAGE_PROVIDERS, Fallback, choose_provider
from services.net.downloads import Downloads
from services.vendors import VENDORS

REQUEST = ImageRequest("A cat", "16:9")
PICTURE = ImageUrl("https://x.example.com/a.jpg")


class Stub:
    """Answers or raises as told."""

    max_references = 14

    def __init__(self, name: str, outcome: GeneratedImage | Exception) -> None:
        self.name = name
        self.asked = 0
        self.closed = False
        self._outcome = outcome

    async def generate(self, request: ImageRequest) -> GeneratedImage:
        self.asked += 1
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    async def aclose(self) -> None:
        self.closed = True


def service_error(*, retryable: bool = True, billed: bool = False) -> ServiceError:
    return ServiceError("Seedream", "x", "away", retryable=retryable, billed=billed)


def test_both_are_sent_as_many_references_as_the_one_that_takes_fewer() -> None:
    first, second = Stub("a", PICTURE), Stub("b", PICTURE)
    second.max_references = 10
    assert Fallback(first, second).max_references == Fallback(second, first).max_references == 10


@pytest.mark.parametrize("error", [ContentRejected("refused"), service_error()])
async def test_the_second_is_asked_when_the_first_refuses_or_is_down(error: Exception) -> None:
    first, second = Stub("first", error), Stub("second", PICTURE)
    assert await Fallback(first, second).generate(REQUEST) == PICTURE
    assert (first.asked, second.asked) == (1, 1)


@pytest.mark.parametrize(
    "error",
    [
        service_error(billed=True),
        service_error(retryable=False),
        UnrecoverableError("wrong request"),
        UnsafeUrl("a reference"),
        ValueError("a bug"),
    ],
)
async def test_the_second_is_not_asked_otherwise(error: Exception) -> None:
    second = Stub("second", PICTURE)
    with pytest.raises(type(error)) as raised:
        await Fallback(Stub("first", error), second).generate(REQUEST)
    assert raised.value is error
    assert second.asked == 0


async def test_the_second_is_not_asked_when_the_first_answers() -> None:
    second = Stub("second", PICTURE)
    await Fallback(Stub("first", PICTURE), second).generate(REQUEST)
    assert second.asked == 0


@pytest.mark.parametrize(
    "later", [ContentRejected("too"), service_error(), RetryableError("r"), UnsafeUrl("u")]
)
async def test_when_both_fail_the_first_error_is_raised(later: Exception) -> None:
    error = ContentRejected("The prompt is sensitive")
    with pytest.raises(ContentRejected) as raised:
        await Fallback(Stub("first", error), Stub("second", later)).generate(REQUEST)
    assert raised.value is error
    assert error.__cause__ is later


async def test_both_are_closed() -> None:
    first, second = Stub("first", PICTURE), Stub("second", PICTURE)
    await Fallback(first, second).aclose()
    assert first.closed
    assert second.closed


SEEDREAM = {"BYTEPLUS_API_KEY": "b"}
GEMINI = {"GOOGLE_AI_API_KEY": "g"}
FALLBACK = {"IMAGE_PROVIDER_FALLBACK": "true"}


def named(name: str) -> dict[str, str]:
    return {"IMAGE_PROVIDER": name}


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, None),
        (SEEDREAM, "seedream"),
        (GEMINI, "gemini"),
        (SEEDREAM | GEMINI, "seedream"),
        (SEEDREAM | GEMINI | named("gemini"), "gemini"),
        (SEEDREAM | GEMINI | named("seedream"), "seedream"),
        (FALLBACK, None),
        (SEEDREAM | FALLBACK, "seedream"),
        (SEEDREAM | GEMINI | FALLBACK, "seedream, else gemini"),
        (SEEDREAM | GEMINI | FALLBACK | named("gemini"), "gemini, else seedream"),
    ],
)
async def test_the_provider_that_is_chosen(
    settings: Callable[..., Settings], variables: dict[str, str], name: str | None
) -> None:
    found = settings(**variables)
    downloads = Downloads(found)
    provider: ImageProvider | None = choose_provider(found, downloads)
    assert (provider.name if provider else None) == name
    if provider:
        await provider.aclose()
    await downloads.aclose()


def test_settings_and_services_know_the_same_providers() -> None:
    """In the same order, with the same keys."""
    keys = [(name, choice.vendor.key_field) for name, choice in IMAGE_PROVIDERS.items()]
    assert keys == list(IMAGE_KEYS.items())
    assert tuple(IMAGE_KEYS) == get_args(ImageProviderName)
    assert image_key_variables() == "BYTEPLUS_API_KEY or GOOGLE_AI_API_KEY"


def test_check_asks_each_vendor_once() -> None:
    assert [(vendor.name, vendor.variable) for vendor in VENDORS] == [
        ("BytePlus", "BYTEPLUS_API_KEY"),
        ("Google", "GOOGLE_AI_API_KEY"),
        ("Wavespeed", "WAVESPEED_API_KEY"),
        ("Shotstack", "SHOTSTACK_API_KEY"),
    ]


def test_a_provider_is_named_by_its_own_module_the_choice_and_the_variables_alone() -> None:
    """So many files are touched by a new one, and a table of its models if they differ."""
    name = re.compile(r"\bseedream\b|byteplus_key|BYTEPLUS_API_KEY")
    folders = ("config", "core", "services", "handlers", "runtime", "commands")
    files = [file for one in folders for file in (ROOT / one).rglob("*.py")]
    found = {str(file.relative_to(ROOT)) for file in files if name.search(file.read_text("utf-8"))}
    # BytePlus makes clips too, its key is shared.
    shared = {"services/byteplus.py"}
    assert found - shared == {
        "config/variables.py",
        "services/images/choice.py",
        "services/images/seedream.py",
        "services/images/seedream_models.py",
    }
