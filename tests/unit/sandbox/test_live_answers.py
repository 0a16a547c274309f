"""What make live compares of two answers."""

from typing import Any

import httpx
import pytest

from sandbox.live.answers import differences, not_seen, seen


def answered(body: Any, status: int = 200, step: str = "GET /x") -> Any:
    return seen(step, httpx.Response(status, json=body, request=httpx.Request("GET", "http://x")))


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ({"a": 1, "b": {"c": "x"}}, {"$.a: number", "$.b.c: text"}),
        ({"a": [{"b": 1.5}, {"b": None}]}, {"$.a[].b: number", "$.a[].b: null"}),
        ({"a": [], "b": {}, "c": True}, {"$.a: empty list", "$.b: empty object", "$.c: yes or no"}),
        ("text", {"$: text"}),
    ],
)
def test_a_shape_is_the_paths_with_their_types(body: Any, shape: set[str]) -> None:
    assert answered(body).shape == shape


def test_values_do_not_matter() -> None:
    one = [answered({"id": "a", "at": 1}), answered({"error": {"code": "NotFound"}}, 404)]
    other = [answered({"id": "b", "at": 2.5}), answered({"error": {"code": "NotFound"}}, 404)]
    assert differences(one, other) == []


def test_status_code_and_each_part_of_the_body_are_told_apart() -> None:
    real = [answered({"error": {"code": "ModelNotOpen", "message": "no"}}, 404)]
    stand_in = [answered({"error": {"code": "NotFound", "param": None}}, 400)]
    assert differences(real, stand_in) == [
        ("GET /x", "status", "404", "400"),
        ("GET /x", "code", "ModelNotOpen", "NotFound"),
        ("GET /x", "body", "$.error.message: text", ""),
        ("GET /x", "body", "", "$.error.param: null"),
    ]


def test_an_answer_that_did_not_come_and_a_page_differ_too() -> None:
    page = seen(
        "GET /x", httpx.Response(404, text="<html>", request=httpx.Request("GET", "http://x"))
    )
    assert page.shape == {"no JSON"}
    assert differences([not_seen("GET /x", "ConnectError")], [page]) == [
        ("GET /x", "status", "0", "404"),
        ("GET /x", "code", "ConnectError", ""),
        ("GET /x", "body", "", "no JSON"),
    ]
    assert differences([page], [page, page]) == [("all", "answers", "1", "2")]
