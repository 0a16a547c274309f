"""Calls of providers in the log of the job that they are made for."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from core.errors import ContentRejected, ProviderDown, ServiceError
from core.story import about
from services.net.circuit import Circuit
from services.net.told import Told
from tests.support.story import telling, untimed

PICTURE = Told[str]("Seedream", "picture", lambda answer: answer)
CLIP = Told[str]("Seedance", "clip", lambda answer: answer, is_polled=True)

pytestmark = pytest.mark.usefixtures("no_waits")


def answers(*found: Any) -> Callable[[], Awaitable[str]]:
    """Gives or raises one after the other."""
    left = list(found)

    async def call() -> str:
        one = left.pop(0)
        if isinstance(one, BaseException):
            raise one
        return one

    return call


def refusal(message: str = "Too many requests", **fields: Any) -> ServiceError:
    return ServiceError("Seedream", "generate a picture", message, **fields)


async def test_each_try_is_a_line() -> None:
    call = answers(refusal(status=429, retryable=True), "made")
    async with telling() as lines:
        with about("shot 3"):
            assert await PICTURE.with_retries(call, attempts=2, circuit=Circuit("X")) == "made"
    assert untimed(lines) == [
        'Seedream, picture for shot 3: status 429, "Too many requests"',
        "Seedream, picture for shot 3: made",
    ]
    assert lines[-1].endswith(" s)")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (refusal("Seedream could not be reached"), "Seedream could not be reached"),
        (refusal("late", billed=True), "late, perhaps billed"),
        (refusal("no", status=504, billed=True), 'status 504, "no", perhaps billed'),
        (ContentRejected("too dark"), 'refused, "too dark"'),
        (ValueError("no"), "ValueError, no"),
        (asyncio.CancelledError(), "cut off, perhaps billed"),
        (
            ProviderDown("Seedream", timedelta(seconds=17)),
            "ProviderDown, Seedream is down",
        ),
    ],
)
async def test_how_a_call_failed_is_told(error: BaseException, told: str) -> None:
    async with telling() as lines:
        with pytest.raises(type(error)):
            await PICTURE.with_retries(answers(error), attempts=1, circuit=Circuit("X"))
    assert untimed(lines)[0] == f"Seedream, picture: {told}"


async def test_a_long_reason_is_cut() -> None:
    async with telling() as lines:
        with pytest.raises(ServiceError):
            await PICTURE.with_retries(
                answers(refusal("x" * 5000)), attempts=1, circuit=Circuit("X")
            )
    [line] = untimed(lines)
    assert line == f"Seedream, picture: {'x' * 199}…"


async def test_polls_are_told_by_what_they_are_for() -> None:
    circuit = Circuit("X")
    async with telling() as lines:
        for shot in (1, 2, 1, 2):
            with about(f"shot {shot}"):
                await CLIP.with_retries(answers("running"), attempts=1, circuit=circuit)
    assert untimed(lines)[:2] == [
        "Seedance, clip for shot 1: running",
        "Seedance, clip for shot 2: running",
    ]
    assert untimed(lines)[2:] == [
        "Seedance, clip for shot 1: running, once more",
        "Seedance, clip for shot 2: running, once more",
    ]


async def test_a_call_that_is_not_made_is_told() -> None:
    circuit = Circuit("Seedance")
    circuit._pause_s, circuit._opens_until = 15.0, float("inf")
    circuit._is_probed = True  # by another job
    async with telling() as lines:
        with pytest.raises(ProviderDown):
            await CLIP.with_retries(answers("running"), attempts=1, circuit=circuit)
    [line] = lines
    assert line.startswith("Seedance, clip: Seedance is down, no more calls for ")


async def test_outside_of_a_job_a_call_is_as_ever() -> None:
    assert await PICTURE.with_retries(answers("made"), attempts=1, circuit=Circuit("X")) == "made"


async def test_an_answer_that_cannot_be_described_is_an_answer() -> None:
    """It may have been billed: a second call would buy it again."""
    calls = Told[str]("Seedream", "picture", lambda answer: answer[99])
    async with telling() as lines:
        assert await calls.with_retries(answers("made"), attempts=2, circuit=Circuit("X")) == "made"
    assert untimed(lines) == ["Seedream, picture: answered, IndexError when it was described"]
