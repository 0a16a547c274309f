"""Redis and Node alone: no database, no providers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.redis import RedisServer
from tests.support.apps import Apps
from tests.support.small_site import SmallSite


@pytest.fixture(scope="session")
async def server() -> AsyncIterator[RedisServer]:
    async with RedisServer() as server:
        yield server


@pytest.fixture(scope="session")
async def apps(server: RedisServer) -> AsyncIterator[Apps]:
    async with Apps(server) as apps:
        yield apps


@pytest.fixture
async def site(server: RedisServer, tmp_path: Path, apps: Apps) -> AsyncIterator[SmallSite]:
    async with SmallSite(server, tmp_path, apps) as site:
        yield site
