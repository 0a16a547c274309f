import pytest

from core.people import Cause
from services.clips.refusals import cause_of


@pytest.mark.parametrize(
    "told",
    [
        "OutputVideoSensitiveContentDetected",
        "InputTextRiskDetection",
        "The request failed because the input text may contain sensitive information.",
        "Content flagged as potentially NSFW",
        "Your prompt violates our usage policies",
        "Blocked by the content filter",
        "内容违规",
    ],
)
def test_providers_refuse_content_in_many_words(told: str) -> None:
    assert cause_of(told) is Cause.REFUSED


@pytest.mark.parametrize("told", ["expired", "timeout", "The task timed out", "deadline exceeded"])
def test_some_take_too_long(told: str) -> None:
    assert cause_of(None, told) is Cause.TOO_LONG


@pytest.mark.parametrize("told", ["", "InternalServiceError", "cancelled", "too dark"])
def test_others_have_no_result(told: str) -> None:
    assert cause_of(told) is Cause.NO_RESULT
