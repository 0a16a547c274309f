"""Repairs projects that wait for a job which the queue no longer has.

Every worker has one; a lock in Redis lets one of the fleet work each round.
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
from runtime.reconciler.plan import LeaveAlone, MarkFailed, Repair, plan_repair, storyboards_status
from services.bundle import Services
from services.supabase.projects import Step, WaitingProject

INTERVAL = timedelta(minutes=5)
# Between a route's update of the row and its adding the job lie milliseconds, between attempts of a
# job minutes of backoff; a project older than this whose job is in no set waits for nobody.
AGE = timedelta(minutes=20)

# The name by which workers of earlier versions lock: during a deploy both run.
_LOCK = "vidfab:watchdog"  # by its first name: older workers share the turn
# Shorter than the interval, or the lock of the round before would still stand; not much shorter, or
# workers that started at different times would each work a round within it.
_LOCK_SHARE = 0.9
# The ids that a step's jobs have, as a glob for Redis (so that thousands of waiting
# `storyboard_download_…` stay there), and as what tells the project.
_UUID = "-".join("?" * length for length in (8, 4, 4, 4, 12))
_GLOBS = {Step.FILM: f"va_compose_{_UUID}", Step.STORYBOARDS: f"storyboard_{_UUID}_*"}
_PROJECT = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LOST = "The job that was to draw this picture was lost; please try again"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Reconciler:
    """One worker's; `notify` hears of its repairs. `now` is a parameter for tests."""

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

    async def run(self) -> NoReturn:
        """Work a round every `interval`, the first one now, until cancelled."""
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
        """Settle what is to be settled; False when a worker of the fleet has had this round.

        Raises ServiceError, ProviderDown, RedisError or OSError; the next round does the rest.
        """
        if not await self._is_mine():
            return False
        async with asyncio.timeout(self._turn.total_seconds()):
            await self._work()
        return True

    async def _is_mine(self) -> bool:
        """Take the lock, which nobody gives back: it is the clock of the whole fleet."""
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
                await self._settle_film(project)
            else:
                await self._settle_storyboards(project, before)
        except ServiceError as error:
            if error.retryable:
                raise
            # Refused for good, such as by a trigger of the app: no reason to leave the others.
            logger.warning("The reconciler could not repair project {}: {}", project.id, error)

    async def _settle_film(self, project: WaitingProject) -> None:
        match plan_repair(project, await self._queue.job(f"va_compose_{project.id}")):
            case LeaveAlone():
                return
            case Repair(columns):
                if await self._projects.finish_step(
                    project, "completed", status="completed", **columns
                ):
                    self._say(project, "its job had completed", f"completed, {columns}")
            case MarkFailed(found):
                if await self._projects.finish_step(project, "failed", status="failed"):
                    self._say(project, found, "failed")

    async def _settle_storyboards(self, project: WaitingProject, before: datetime) -> None:
        """Its jobs' ids end in times that nobody knows: only another look at all of them tells.

        Few projects come here, since those that had a job at the first look do not.
        """
        if project.id in await self._busy(project.step):
            return
        lost = await self._storyboards.fail_abandoned(project.id, before, _LOST)
        status = storyboards_status(await self._storyboards.current(project.id))
        if status is not None and await self._projects.finish_step(project, status):
            self._say(
                project, "none of its jobs is unfinished", f"{status}, {lost} pictures failed"
            )

    def _say(self, project: WaitingProject, found: str, written: str) -> None:
        was = f"'{project.status}' in {project.step} since {project.updated_at}"
        line = f"🩹 Reconciler: project {project.id} was {was}, but {found}: now {written}"
        logger.bind(project_id=project.id).info("{}", line)
        kind = kind_of("reconciler", project.step, found)
        self._notify(Alert(kind, shown(line), "warning", {"project_id": project.id}))
