from typing import Any

import pytest

from bullmq_consumer.backoff import with_jitter


@pytest.mark.parametrize(
    ("kind", "attempt", "jitter", "shortest", "longest"),
    [
        ("fixed", 1, 1, 0, 3000),
        ("fixed", 5, 0.5, 1500, 3000),
        ("exponential", 1, 0.25, 2250, 3000),
        ("exponential", 3, 0.5, 6000, 12_000),
    ],
)
def test_pauses_are_spread_over_the_share_that_jitter_names(
    kind: str, attempt: int, jitter: float, shortest: int, longest: int
) -> None:
    given = {"type": kind, "delay": 3000, "jitter": jitter}
    spreads = [with_jitter(given, attempt) for _ in range(500)]
    pauses = [one["delay"] for one in spreads if one and one["type"] == "fixed"]
    assert len(pauses) == 500
    assert shortest <= min(pauses) < shortest + (longest - shortest) / 10
    assert longest - (longest - shortest) / 10 < max(pauses) <= longest


@pytest.mark.parametrize(
    "backoff",
    [
        None,
        {"type": "fixed", "delay": 10},
        {"type": "fixed", "delay": 10, "jitter": 0},
        {"type": "fixed", "delay": 10, "jitter": "much"},
        {"type": "fixed", "delay": 10, "jitter": 7},
        {"type": "exponential", "delay": 10, "jitter": float("nan")},
        {"type": "of-the-app", "delay": 10, "jitter": 0.5},
    ],
)
def test_all_others_stay(backoff: dict[str, Any] | None) -> None:
    assert with_jitter(backoff, 1) == backoff
