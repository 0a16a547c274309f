"""Fixtures: one VidFab for all tests, a fresh queue for each."""

from collections.abc import AsyncIterator
from pathlib import Path

import hypothesis
import pytest

from sandbox.vidfab import VidFab
from tests.support import leaks
from tests.support.site import Site

# The same cases in every run, however slow; `--hypothesis-profile default` looks for new ones.
hypothesis.settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
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
async def site(vidfab: VidFab, tmp_path: Path) -> AsyncIterator[Site]:
    """A fresh queue, the app's Node 5.58.9 on it. A test that leaves a secret anywhere fails."""
    async with Site(vidfab, tmp_path) as site:
        yield site
    assert await leaks.left_by(site) == []
