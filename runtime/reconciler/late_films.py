"""Compositions that wait for a worker longer than the person for the film."""

import math
from collections.abc import Callable
from datetime import UTC, datetime

from loguru import logger

from bullmq_consumer.inspect.waiting import OpenJob, OpenJobDetails, OpenJobs
from core.deadline import PATIENCE, PROGRESSED_AT, STANDSTILL, last_progress
from core.errors import ProviderDown, ServiceError
from core.jobs.context import percent_of
from core.people import Thing, late
from runtime.reconciler.subject import UUID_GLOB, owned_project
from services.bundle import Services

_GLOB = f"va_compose_{UUID_GLOB}"
# Up to here nothing was made of the film, see the percents of va_compose_video.
_NOT_BEGUN = 40


class LateFilms:
    """Gives up compositions that wait; one that runs sees to its own deadline."""

    def __init__(self, jobs: OpenJobs, services: Services, now: Callable[[], float]) -> None:
        self._jobs = jobs
        self._projects = services.projects
        self._now = now
        self._late = late(Thing.FILM, services.settings.app_language)
        self._settled: set[OpenJob] = set()
        # When each was first seen to wait, with the checkpoint that it has since.
        self._seen: dict[tuple[OpenJob, str], float] = {}

    async def give_up(self, is_any: bool) -> float:
        """Give up what is overdue; returns when the next is due, in seconds since the epoch."""
        began = datetime.fromtimestamp(self._now(), UTC)
        found = await self._jobs.like(_GLOB) if is_any else []
        self._settled &= set(found)
        self._seen = {one: at for one, at in self._seen.items() if one[0] in found}
        left = [job for job in found if job not in self._settled]
        looks = [(job, await self._look_at(job)) for job in left]
        dues = [look for _, look in looks if isinstance(look, float)]
        # Behind all the marks: a row may cost a minute while the database is away.
        dues += [
            await self._fail_project(job, look, began)
            for job, look in looks
            if isinstance(look, OpenJobDetails)
        ]
        return min(dues, default=math.inf)

    async def _look_at(self, job: OpenJob) -> float | OpenJobDetails:
        """When to look at the job again; or the job, marked to fail, if it is overdue.

        One that is to fail anyway is left to its hook until then, and keeps its reason.
        """
        due_at = job.added_at + PATIENCE.total_seconds()
        if due_at > self._now():
            return due_at
        details = await self._jobs.details(job.job_id)
        if details is None or details.added_at != job.added_at:
            return self._now()
        waiting = (job, details.checkpoint_text)
        if details.is_active:
            self._seen.pop(waiting, None)
            return self._now()
        if not job.is_to_fail:
            seen_at = self._seen.setdefault(waiting, self._now())
            due_at = _progressed_at(details, seen_at) + STANDSTILL.total_seconds()
            if due_at > self._now():
                return due_at
        if not await self._jobs.mark_to_fail(job.job_id, details, self._late, is_shown=True):
            return self._now()
        return details

    async def _fail_project(self, job: OpenJob, details: OpenJobDetails, began: datetime) -> float:
        """Fail the project's film; returns when to try again.

        A row that changed since the look `began` is left alone: its person tries again by now.
        """
        try:
            project = await owned_project(self._projects, job.job_id, details.data)
            if project is not None:
                await self._projects.fail_composition(project.id, began)
        except (ServiceError, ProviderDown) as error:
            logger.warning("The project of {} could not be given up: {}", job.job_id, error)
            return self._now()
        waited_s = self._now() - job.added_at
        logger.warning("Job {} was given up, as it waited for {:.0f} s", job.job_id, waited_s)
        self._settled.add(OpenJob(job.job_id, job.added_at, True))
        return math.inf


def _progressed_at(job: OpenJobDetails, seen_at: float) -> float:
    """When something of the film came last; 0.0 when nothing ever has.

    `seen_at` is when the job was first seen to wait: there begins anew who retried it by hand.
    """
    noted = last_progress(job.checkpoint)
    if not noted and PROGRESSED_AT in job.checkpoint:
        return seen_at
    if noted or job.started_at is None or percent_of(job.progress) <= _NOT_BEGUN:
        return noted
    # A render went on as long as the job ran, until it went back to the queue.
    return max(seen_at if job.waits_since is None else job.waits_since, job.started_at)
