"""Redis and Node alone: no database, no providers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.redis import RedisServer
from tests.support.small_site import SmallSite


@pytest.fixture(scope="session")
async def server() -> AsyncIterator[RedisServer]:
    async with RedisServer() as server:
        yield server


@pytest.fixture
async def site(server: RedisServer, tmp_path: Path) -> AsyncIterator[SmallSite]:
    async with SmallSite(server, tmp_path) as site:
        yield site
