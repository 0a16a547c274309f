"""Payload validation: one sentence that names the field."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidData
from core.jobs.data import JobData, parse
from core.paths import RowId

USER = "user_1"
PROJECT = "11111111-1111-4111-8111-111111111111"


class Sample(JobData):
    project_id: RowId
    shot_number: int = 1


def test_unknown_fields_are_ignored() -> None:
    data = parse(Sample, {"userId": USER, "projectId": PROJECT, "new": {"a": 1}})
    assert (data.user_id, data.project_id) == (USER, PROJECT)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"projectId": None}, "Invalid job data: 'projectId': input should be a valid string"),
        ({"projectId": "../../etc"}, "Invalid job data: 'projectId': must be a UUID"),
        ({"projectId": PROJECT + "\n"}, "Invalid job data: 'projectId': must be a UUID"),
        (
            {"userId": "a/b"},
            "Invalid job data: 'userId': must be 1 to 128 letters, digits, '-' or '_'",
        ),
        ({"userId": "a%2fb"}, "Invalid job data: 'userId': must be 1 to 128"),
        ({"shotNumber": "many"}, "Invalid job data: 'shotNumber': input should be a valid int"),
    ],
)
def test_wrong_fields_are_named(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidData) as caught:
        parse(Sample, {"userId": USER, "projectId": PROJECT, **change})
    assert str(caught.value).startswith(sentence)


def test_several_wrong_fields_are_counted() -> None:
    with pytest.raises(InvalidData, match=r"'userId': field required \(and 1 more\)"):
        parse(Sample, {})


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_anything_else_than_an_object_is_refused(data: Any) -> None:
    with pytest.raises(InvalidData, match="not an object"):
        parse(Sample, data)


@given(st.text())
def test_an_id_is_accepted_only_if_it_is_plain(text: str) -> None:
    try:
        accepted = parse(JobData, {"userId": text}).user_id
    except InvalidData:
        return
    assert accepted == text
    assert set(accepted) <= set("-_" + string.ascii_letters + string.digits)
