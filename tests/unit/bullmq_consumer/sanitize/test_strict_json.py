"""JSON that others wrote."""

import time

import pytest

from bullmq_consumer.sanitize.strict_json import NotReadable, read


def test_a_name_twice_among_a_hundred_thousand_is_found_in_no_time() -> None:
    names = ",".join(f'"{number}":1' for number in range(100_000))
    began = time.monotonic()
    with pytest.raises(NotReadable, match='has the name "99999" twice'):
        read(f'{{{names},"99999":1}}')
    assert time.monotonic() - began < 5  # it took minutes
