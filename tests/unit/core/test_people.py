"""The sentences for people, and which error gets which."""

import re
from datetime import timedelta
from itertools import product

import pytest

from bullmq_consumer.machine import MachineUnfit
from config.variables import Language
from core.errors import (
    ClipNotStored,
    ContentRejected,
    InvalidData,
    NotFound,
    NotOwner,
    PermanentError,
    ProviderDown,
    RetryableError,
    ServiceError,
    TransientError,
    UnsafeUrl,
    UnusableContent,
    why_of,
)
from core.people import Cause, Thing, Why, sentence, thumbnail_failed

SOON = timedelta(seconds=15)
# A number of three digits would be a status, and people need no other one than a shot's.
NOT_FOR_PEOPLE = re.compile(
    r"seedream|seedance|byteplus|modelark|shotstack|wavespeed|google|veo|gemini|supabase|redis"
    r"|bullmq|postgres|ffmpeg|https?:|www\.|://|\d{3}|key|worker|[{}_]",
    re.IGNORECASE,
)
CHINESE = re.compile("[\u4e00-\u9fff]")
ALL = [
    pytest.param(cause, thing, language, id=f"{cause.name} {thing.name} {language}")
    for cause, thing, language in product(Cause, Thing, ("en", "zh"))
]


@pytest.mark.parametrize(("cause", "thing", "language"), ALL)
def test_every_sentence_is_one_for_people(cause: Cause, thing: Thing, language: Language) -> None:
    text = sentence(Why(cause, (1, 23)), thing, language)
    assert not NOT_FOR_PEOPLE.search(text), text
    assert (CHINESE.search(text) is not None) == (language == "zh"), text
    assert text.endswith("。" if language == "zh" else "."), text
    assert len(text) <= 200, text


def test_a_sentence_names_the_shots_that_it_is_about() -> None:
    why = Why(Cause.MISSING_VIDEOS, (1, 3))
    assert sentence(why, Thing.FILM, "en").endswith("of these shots again: 1, 3.")
    assert sentence(why, Thing.FILM, "zh").endswith("镜头的片段：1、3。")


def test_the_app_knows_the_opening_of_a_thumbnails_sentence() -> None:
    assert thumbnail_failed(Why(), "zh").startswith("Thumbnail generation failed: 未能")


def service_error(*, service: str = "Seedream", retryable: bool) -> ServiceError:
    return ServiceError(service, "call", "HTTP 503 at https://x", retryable=retryable)


def from_cause(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ContentRejected("Gemini refused the prompt: SAFETY"), Cause.REFUSED),
        (service_error(retryable=True), Cause.BUSY),
        (service_error(retryable=False), Cause.OUR_SIDE),
        (service_error(service="Supabase", retryable=True), Cause.NOT_SAVED),
        (service_error(service="Supabase storage", retryable=True), Cause.NOT_SAVED),
        (ProviderDown("Seedream", SOON), Cause.BUSY),
        (ProviderDown("Supabase", SOON), Cause.NOT_SAVED),
        (ClipNotStored(SOON, "not stored yet"), Cause.CLIPS_NOT_SAVED),
        (UnsafeUrl("IP literal"), Cause.UNUSABLE),
        (UnusableContent("no picture"), Cause.UNUSABLE),
        (InvalidData("'projectId': missing"), Cause.INVALID),
        (NotFound("gone"), Cause.NOT_FOUND),
        (NotOwner("not yours"), Cause.NOT_FOUND),
        (MachineUnfit("the disk is full"), Cause.OUR_SIDE),
        (from_cause(RetryableError("The job ran longer"), TimeoutError()), Cause.TOO_LONG),
        (ExceptionGroup("all", [ContentRejected("no")]), Cause.REFUSED),
        (from_cause(RetryableError("1 failed"), service_error(retryable=True)), Cause.BUSY),
        (TransientError("lost", cause=Cause.NO_RESULT), Cause.NO_RESULT),
        (KeyError("x"), Cause.UNKNOWN),
    ],
    ids=repr,
)
def test_the_cause_is_the_errors(error: Exception, cause: Cause) -> None:
    assert why_of(error) == Why(cause)


def test_more_can_be_known_than_where_it_was_raised() -> None:
    error = NotFound("The bucket holds no clip")
    error.blame(Cause.UNUSABLE_CLIPS, 3)
    assert why_of(error) == Why(Cause.UNUSABLE_CLIPS, (3,))


@pytest.mark.parametrize("why", [Why(), Why(Cause.BUSY), Why(Cause.MISSING_VIDEOS, (1, 3))])
def test_a_later_delivery_reads_what_was_kept(why: Why) -> None:
    assert Why.of_kept(why.kept()) == why


@pytest.mark.parametrize("kept", [None, [], ["NEWER"], "BUSY", [[]], {"cause": "BUSY"}])
def test_what_another_version_kept_is_not_known(kept: object) -> None:
    assert Why.of_kept(kept) == Why()


def test_a_cause_of_its_own_does_not_change_that_of_others() -> None:
    PermanentError("x").blame(Cause.BUSY)
    assert PermanentError("y").cause is Cause.UNKNOWN
