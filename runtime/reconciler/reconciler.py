"""Repairs projects that wait for a job which the queue no longer has.

Every worker has one; a lock in Redis lets one of them run each round.
"""

import asyncio
import os
import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from loguru import logger
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bullmq_consumer.inspect.states import QueueState
from core.alert import Alert, AlertSink, kind_of, no_alerts, shown
from core.errors import ProviderDown, ServiceError
from core.paths import RowId
from core.people import Cause, Thing, Why, sentence
from runtime.reconciler.plan import LeaveAlone, MarkFailed, Repair, plan_repair, storyboards_status
from services.bundle import Services
from services.supabase.projects import Step, WaitingProject

INTERVAL = timedelta(minutes=5)
# Between a route's update of the row and its adding the job are milliseconds, between attempts of a
# job minutes of backoff: a project older than this without a job in any set has lost it.
AGE = timedelta(minutes=20)

# The lock's name in earlier versions: during a deploy both run.
_LOCK = "vidfab:watchdog"
# Shorter than the interval, or the previous round's lock would still be held; not much shorter, or
# workers that started at different times would each run a round within it.
_LOCK_SHARE = 0.9
# The ids that a step's jobs have, as a glob for Redis (so that thousands of waiting
# `storyboard_download_…` are not fetched), and the project's id within them.
_UUID = "-".join("?" * length for length in (8, 4, 4, 4, 12))
_GLOBS = {Step.FILM: f"va_compose_{_UUID}", Step.STORYBOARDS: f"storyboard_{_UUID}_*"}
_PROJECT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Reconciler:
    """One worker's reconciler; repairs go to `notify`. `now` is a parameter for tests."""

    def __init__(
        self,
        redis: Redis,
        queue: QueueState,
        services: Services,
        *,
        interval: timedelta = INTERVAL,
        age: timedelta = AGE,
        now: Callable[[], datetime] = _utc_now,
        notify: AlertSink = no_alerts,
    ) -> None:
        self._redis = redis
        self._queue = queue
        self._projects = services.projects
        self._storyboards = services.storyboards
        self._interval = interval
        self._turn = interval * _LOCK_SHARE
        self._age = age
        self._now = now
        self._notify = notify
        self._lost = sentence(Why(Cause.UNKNOWN), Thing.PICTURE, services.settings.app_language)

    async def run(self) -> NoReturn:
        """Run a round every `interval`, the first one now, until cancelled."""
        while True:
            try:
                await self.round()
            except (ServiceError, ProviderDown, RedisError, OSError) as error:  # or TimeoutError
                reason = str(error) or f"this round took longer than {self._turn}"
                logger.warning("The reconciler tries again in {}: {}", self._interval, reason)
            except Exception:  # a defect of ours must not end the rounds, nor the worker
                logger.exception(
                    "The reconciler's round failed, the next one is in {}", self._interval
                )
            await asyncio.sleep(self._interval.total_seconds())

    async def round(self) -> bool:
        """Repair lost projects; False when another worker has run this round.

        Raises ServiceError, ProviderDown, RedisError or OSError; the next round does the rest.
        """
        if not await self._is_mine():
            return False
        async with asyncio.timeout(self._turn.total_seconds()):
            await self._work()
        return True

    async def _is_mine(self) -> bool:
        """Take the lock, which is never released: its expiry paces the rounds of all workers."""
        holder = f"{socket.gethostname()}-{os.getpid()}"
        return bool(await self._redis.set(self._queue.key(_LOCK), holder, nx=True, px=self._turn))

    async def _work(self) -> None:
        """Rows first, then jobs: a job that was added in between is seen."""
        before = self._now() - self._age
        for step in Step:
            found = await self._projects.waiting(step, before)
            busy = await self._busy(step) if found else set[RowId]()
            for project in found:
                if project.id not in busy:
                    await self._repair(project, before)

    async def _busy(self, step: Step) -> set[RowId]:
        """The projects that have an unfinished job for this step."""
        ids = await self._queue.unfinished(_GLOBS[step])
        return {match[0].lower() for one in ids if (match := _PROJECT.search(one))}

    async def _repair(self, project: WaitingProject, before: datetime) -> None:
        try:
            if project.step is Step.FILM:
                await self._repair_film(project)
            else:
                await self._repair_storyboards(project, before)
        except ServiceError as error:
            if error.retryable:
                raise
            # Refused for good, for example by a trigger of the app: the other projects go on.
            logger.warning("The reconciler could not repair project {}: {}", project.id, error)

    async def _repair_film(self, project: WaitingProject) -> None:
        match plan_repair(project, await self._queue.job(f"va_compose_{project.id}")):
            case LeaveAlone():
                return
            case Repair(columns):
                if await self._projects.finish_step(
                    project, "completed", status="completed", **columns
                ):
                    self._report(project, "its job had completed", f"completed, {columns}")
            case MarkFailed(found):
                if await self._projects.finish_step(project, "failed", status="failed"):
                    self._report(project, found, "failed")

    async def _repair_storyboards(self, project: WaitingProject, before: datetime) -> None:
        """Its jobs' ids end in unknown timestamps, so all unfinished jobs are read again.

        That is rare: projects that had a job at the first read are skipped.
        """
        if project.id in await self._busy(project.step):
            return
        lost = await self._storyboards.fail_abandoned(project.id, before, self._lost)
        status = storyboards_status(await self._storyboards.current(project.id))
        if status is not None and await self._projects.finish_step(project, status):
            self._report(
                project, "none of its jobs is unfinished", f"{status}, {lost} pictures failed"
            )

    def _report(self, project: WaitingProject, found: str, written: str) -> None:
        was = f"'{project.status}' in {project.step} since {project.updated_at}"
        line = f"🩹 Reconciler: project {project.id} was {was}, but {found}: now {written}"
        logger.bind(project_id=project.id).info("{}", line)
        kind = kind_of("reconciler", project.step, found)
        self._notify(Alert(kind, shown(line), "warning", {"project_id": project.id}))
