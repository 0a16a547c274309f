"""How many finished jobs stay."""

from datetime import timedelta
from typing import Any

import pytest

from bullmq_consumer.protocol.keeping import Keep, keep_jobs


@pytest.mark.parametrize(
    ("told", "sent"),
    [
        (None, {"count": -1}),
        (False, {"count": -1}),
        (True, {"count": 0}),
        (0, {"count": 0}),
        (7, {"count": 7}),
        ({"age": 5, "limit": 1}, {"age": 5, "limit": 1}),
        (Keep(), {}),
        (Keep(count=0), {"count": 0}),
        (Keep(count=3, age=timedelta(hours=1), limit=9), {"count": 3, "age": 3600, "limit": 9}),
        (Keep(age=timedelta(milliseconds=1)), {"age": 1}),
    ],
)
def test_what_is_told_is_sent_as_bullmq_counts(told: Any, sent: dict[str, int]) -> None:
    assert keep_jobs(told) == sent
