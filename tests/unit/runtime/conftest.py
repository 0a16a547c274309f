"""What the worker logged during a test."""

from collections.abc import Iterator

import pytest
from loguru import logger

from tests.support.logs import consumer_log


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """One `LEVEL message` each."""
    found: list[str] = []
    sink = logger.add(lambda line: found.append(line.strip()), format="{level} {message}")
    with consumer_log(found):
        yield found
    logger.remove(sink)
