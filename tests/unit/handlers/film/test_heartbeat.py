"""A film's row is kept fresh, whatever happens to single writes."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import ServiceError
from handlers._film.heartbeat import beating
from services.supabase.projects import Project
from tests.support.handle import RecordingHandle, context

AWAY = ServiceError("Supabase", "touch the project", "away", retryable=True)


class Projects:
    """The first beat fails; the second one is awaited by the test."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error
        self.touched = asyncio.Event()

    async def touch_composition(self, project_id: str) -> None:
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.touched.set()


@pytest.mark.parametrize("error", [AWAY, KeyError("a defect")])
async def test_a_beat_that_fails_is_not_the_last(error: Exception) -> None:
    projects = Projects(error)
    services: Any = SimpleNamespace(projects=projects)
    ctx = context(RecordingHandle(), services=services)
    project = Project(id="p", user_id="u")
    async with asyncio.timeout(30), beating(ctx, project, timedelta(milliseconds=1)):
        await projects.touched.wait()
