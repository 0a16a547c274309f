from typing import Any

import pytest

from bullmq_consumer.protocol.backoff import pause_ms

UNKNOWN_MS = 777


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
    pauses = [pause_ms(given, attempt, UNKNOWN_MS) for _ in range(500)]
    assert shortest <= min(pauses) < shortest + (longest - shortest) / 10
    assert longest - (longest - shortest) / 10 < max(pauses) <= longest


@pytest.mark.parametrize(
    ("backoff", "attempt", "pause"),
    [
        (None, 1, 0),
        ({}, 1, 0),
        ({"type": "fixed", "delay": 10}, 7, 10),
        ({"type": "fixed", "delay": 10, "jitter": 0}, 1, 10),
        ({"type": "fixed", "delay": 10, "jitter": "much"}, 1, 10),
        ({"type": "fixed", "delay": 10, "jitter": 7}, 1, 10),
        ({"type": "fixed", "delay": 0}, 1, 0),
        ({"type": "exponential", "delay": 10, "jitter": float("nan")}, 1, 10),
        ({"type": "exponential", "delay": 1000}, 1, 1000),
        ({"type": "exponential", "delay": 1000}, 4, 8000),
        ({"type": "exponential", "delay": 0.5}, 1, 1),
        ({"type": "exponential", "delay": 1000}, 1000, 10**15),
        ({"type": "of-the-app", "delay": 10, "jitter": 0.5}, 1, UNKNOWN_MS),
        ({"delay": 10}, 1, UNKNOWN_MS),
    ],
)
def test_all_others_are_as_long_as_node_makes_them(
    backoff: dict[str, Any] | None, attempt: int, pause: int
) -> None:
    assert pause_ms(backoff, attempt, UNKNOWN_MS) == pause
