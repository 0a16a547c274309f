from typing import Any

import pytest

from bullmq_consumer.new_job import NewJob


@pytest.mark.parametrize(
    ("job_id", "said"), [("a:b", "holds no colon"), ("47", "is no number"), ("٤٧", "is no number")]
)
def test_ids_that_node_refuses_are_refused(job_id: str, said: str) -> None:
    """The Python port takes them: later Node's own counter gives 47 to another job."""
    with pytest.raises(ValueError, match=said):
        NewJob("x", job_id, {})


def test_others_are_taken() -> None:
    assert NewJob("x", "va_sync_47", {}).job_id == "va_sync_47"


@pytest.mark.parametrize(
    ("error", "said", "fields"),
    [
        (ValueError, "name is not empty", {"name": ""}),
        (TypeError, "name is a text, not int", {"name": 3}),
        (ValueError, "id is not empty", {"job_id": ""}),
        (TypeError, "id is a text, not int", {"job_id": 47}),
        (ValueError, "queue is not empty", {"queue": ""}),
        (ValueError, "queue holds no colon: 'a:b'", {"queue": "a:b"}),
        (ValueError, "priority: 1 to 2097152, not 0", {"priority": 0}),
        (ValueError, "priority: 1 to 2097152, not 2097153", {"priority": 2**21 + 1}),
        (TypeError, "priority is a whole number, not float", {"priority": 1.5}),
        (TypeError, "priority is a whole number, not bool", {"priority": True}),
        (ValueError, "attempts: at least 1, not 0", {"attempts": 0}),
        (TypeError, "attempts is a whole number, not str", {"attempts": "3"}),
        (ValueError, "delay: at least 0, not -1", {"delay_ms": -1}),
    ],
)
def test_what_node_cannot_add_is_refused(
    error: type[Exception], said: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(error, match=said):
        NewJob(**{"name": "x", "job_id": "x_1", "data": {}, **fields})


def test_the_bounds_themselves_are_taken() -> None:
    for priority in (1, 2**21):
        assert NewJob("x", "x_1", {}, priority=priority, attempts=1).priority == priority
