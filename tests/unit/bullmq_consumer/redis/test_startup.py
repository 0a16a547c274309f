"""How long a worker waits between its tries for Redis, and when somebody hears of it."""

from itertools import islice

from bullmq_consumer.redis.startup import delays


def test_the_waits_double_up_to_ten_seconds_and_differ_between_workers() -> None:
    longest = (0.5, 1, 2, 4, 8, 10, 10)
    runs = [tuple(islice(delays(), len(longest))) for _ in range(20)]
    for waits in runs:
        assert all(0.75 * top <= wait <= top for wait, top in zip(waits, longest, strict=True))
    assert len(set(runs)) > 1
