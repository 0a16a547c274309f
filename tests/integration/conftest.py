"""Workers of these tests are forked from a process that has loaded their modules."""

import sys
from collections.abc import AsyncIterator

import pytest

from sandbox.worker_process import start_worker
from tests.support.forkserver import ForkServer
from tests.support.site import Start


@pytest.fixture(scope="session")
async def start(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Start]:
    if sys.platform != "linux":
        yield start_worker
        return
    async with ForkServer(tmp_path_factory.mktemp("forkserver")) as server:
        yield server.start_worker
