"""All nine payload models: good payloads round trip, others fail with a sentence, none crashes."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bullmq_consumer.sanitize.fields import sanitized
from core.errors import InvalidData
from core.jobs.data import JobData, complaints, parse
from tests.support.models import models
from tests.support.payloads import ANY_JSON, GOOD, near_misses

MODELS = models()
each_job = pytest.mark.parametrize("name", sorted(MODELS))


@each_job
@given(data=st.data())
def test_good_payloads_round_trip(name: str, data: st.DataObject) -> None:
    payload = data.draw(GOOD[name])
    model = parse(MODELS[name].data, payload)
    text = json.dumps(model.model_dump(mode="json", by_alias=True))
    assert parse(MODELS[name].data, json.loads(text)) == model
    assert complaints(MODELS[name].data, payload) == []
    for field in ("userId", "projectId", "videoId"):
        if field in payload:
            assert json.loads(text)[field] == payload[field]


def refusal(model: type[JobData], payload: Any) -> str | None:
    try:
        parse(model, payload)
    except InvalidData as error:
        return str(error)
    return None


def check(name: str, payload: Any) -> None:
    """Both models of a job take it, or refuse it with one sentence."""
    for model in MODELS[name].all:
        said = refusal(model, payload)
        assert said != ""
        assert (said is None) is (complaints(model, payload) == [])


@pytest.mark.slow
@each_job
@given(payload=ANY_JSON)
def test_any_json_is_taken_or_refused(name: str, payload: Any) -> None:
    check(name, payload)


@pytest.mark.slow
@each_job
@settings(max_examples=200)
@given(data=st.data())
def test_near_misses_are_taken_or_refused(name: str, data: st.DataObject) -> None:
    check(name, data.draw(near_misses(GOOD[name])))


@given(st.text() | ANY_JSON.map(json.dumps))
def test_any_text_is_read_or_refused(text: str) -> None:
    safe = sanitized({"name": "x", "data": text})
    assert safe.fault is None or (
        safe.data is None and safe.fault.startswith("Invalid job data: it ")
    )
