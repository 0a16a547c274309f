"""What the consumer logged during a test."""

from collections.abc import Iterator

import pytest

from tests.support.logs import consumer_log


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """One `LEVEL message` each."""
    found: list[str] = []
    with consumer_log(found):
        yield found
