"""Fixtures: one VidFab for all tests, a fresh queue for each."""

from collections.abc import AsyncIterator
from pathlib import Path

import hypothesis
import pytest

from sandbox.producer import NodeApp
from sandbox.vidfab import VidFab
from sandbox.worker_process import start_worker
from tests.support import leaks
from tests.support.site import Site, Start

# The same cases in every run, however slow; `--hypothesis-profile default` looks for new ones.
hypothesis.settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
# A fifth of them, for `make test-fast`.
hypothesis.settings.register_profile(
    "fast", hypothesis.settings.get_profile("fixed"), max_examples=20
)
hypothesis.settings.load_profile("fixed")


@pytest.fixture(scope="session")
async def _vidfab() -> AsyncIterator[VidFab]:
    async with VidFab() as vidfab:
        yield vidfab


@pytest.fixture
async def vidfab(_vidfab: VidFab) -> VidFab:
    """The running VidFab with empty tables, buckets and fault lists."""
    await _vidfab.supabase.reset()
    await _vidfab.providers.control.reset()
    return _vidfab


@pytest.fixture
def start() -> Start:
    """As users start workers; the integration tests have a cheaper way."""
    return start_worker


@pytest.fixture(scope="session")
async def _app(_vidfab: VidFab) -> AsyncIterator[NodeApp]:
    async with NodeApp(_vidfab.redis.url, "q-of-no-test") as app:
        yield app


@pytest.fixture
async def site(vidfab: VidFab, _app: NodeApp, tmp_path: Path, start: Start) -> AsyncIterator[Site]:
    """A fresh queue, the app's Node 5.58.9 on it. A test that leaves a secret anywhere fails."""
    async with Site(vidfab, tmp_path, start=start, app=_app) as site:
        yield site
    assert await leaks.left_by(site) == []
