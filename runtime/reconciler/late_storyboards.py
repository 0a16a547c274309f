"""Storyboard jobs that wait for a worker longer than the person for the pictures, and rows left."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from loguru import logger

from bullmq_consumer.inspect.waiting import OpenJob, OpenJobDetails, OpenJobs
from config.variables import Language
from core.deadline import (
    GIVEN_UP,
    PATIENCE,
    Deadline,
    is_of_newer_request,
    last_progress,
)
from core.errors import ServiceError
from core.paths import RowId
from core.people import Thing, Why, late, sentence
from core.storyboard.bought import bought_picture
from core.storyboard.renumbering import OF_NO_SHOT
from runtime.reconciler.plan import storyboards_status
from runtime.reconciler.subject import UUID_GLOB, owned_project, project_in
from services.bundle import Services
from services.supabase.projects import Step
from services.supabase.storyboards import GeneratingRow, StoryboardRow

_GLOB = f"storyboard_{UUID_GLOB}_*"
# The job's own writes may come between the read of a project and its update.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class _Job:
    """A job with its rows: None as long as it has not begun, for it takes the current ones then."""

    job: OpenJob
    details: OpenJobDetails

    @property
    def rows(self) -> Mapping[str, int | None] | None:
        """The numbers of its rows by id, as when it first ran."""
        known: Any = self.details.checkpoint.get("rows")
        if isinstance(known, dict):
            return cast("dict[str, int]", known)
        return dict.fromkeys(cast("list[str]", known)) if isinstance(known, list) else None

    @property
    def is_given_up(self) -> bool:
        """Whether a look, or its own attempt, gave it up before."""
        return bool(self.details.checkpoint.get(GIVEN_UP))


class LateStoryboards:
    """Gives up storyboards.

    1. Jobs that wait and are overdue are marked to fail, so that no worker buys for them, and their
       rows are finalised: what was bought is a success.
    2. Rows that are as old and belong to no unfinished job fail, those of older versions too: the
       app takes no new request while one is `generating`.
    3. The project's step is finalised by its current rows.
    """

    def __init__(self, jobs: OpenJobs, services: Services, now: Callable[[], float]) -> None:
        self._jobs = jobs
        self._projects = services.projects
        self._storyboards = services.storyboards
        self._now = now
        self._language: Language = services.settings.app_language
        self._late = late(Thing.PICTURE, self._language)
        self._settled: set[OpenJob] = set()

    async def give_up(self, rows: Sequence[GeneratingRow], is_any: bool) -> float:
        """Give up what is overdue; returns when the next is due, in seconds since the epoch.

        `rows` are those that wait, of all projects; `is_any` says whether there is a job at all.
        """
        jobs = await self._jobs.like(_GLOB) if is_any else []
        self._settled &= set(jobs)
        jobs = [job for job in jobs if job not in self._settled]
        dues = [(self._due_at(job), project_in(job.job_id)) for job in jobs]
        dues += [(_due_of(row), row.project_id) for row in rows]
        overdue = {project for due_at, project in dues if due_at <= self._now()}
        of_project = _by_project(jobs)
        again = [await self._guarded(one, of_project[one]) for one in overdue if one is not None]
        young = [due_at for due_at, _ in dues if due_at > self._now()]
        return min(young + again, default=math.inf)

    def _due_at(self, job: OpenJob) -> float:
        return 0.0 if job.is_to_fail else job.added_at + PATIENCE.total_seconds()

    async def _guarded(self, project_id: RowId, jobs: Sequence[OpenJob]) -> float:
        """One project; its trouble does not stop the others."""
        try:
            return await self._project(project_id, jobs)
        except ServiceError as error:
            logger.warning("Project {} could not be given up: {}", project_id, error)
            return self._now()

    async def _project(self, project_id: RowId, jobs: Sequence[OpenJob]) -> float:
        """Returns when to look again."""
        open_jobs = [
            _Job(job, details)
            for job in sorted(jobs, key=lambda job: job.added_at)
            if (details := await self._jobs.details(job.job_id)) is not None
        ]
        live = [one for one in open_jobs if not await self._given_up(one, open_jobs)]
        failed = await self._fail_abandoned(project_id, live)
        if failed or len(live) < len(open_jobs):
            await self._finish_step(project_id)
        due_at = self._now() + PATIENCE.total_seconds()
        return min((max(self._deadline(one).at, self._now()) for one in live), default=due_at)

    def _deadline(self, one: _Job) -> Deadline:
        return Deadline(one.job.added_at, last_progress(one.details.checkpoint), now=self._now)

    # -- jobs -------------------------------------------------------------------------------

    async def _given_up(self, one: _Job, others: Sequence[_Job]) -> bool:
        """Give up a job that waits and is overdue; False for one that goes on."""
        job, details = one.job, one.details
        if details.is_active or not (one.is_given_up or self._deadline(one).is_over):
            return False  # one that is to fail for another reason is its hook's until then
        if await owned_project(self._projects, job.job_id, details.data) is None:
            return True  # it will fail, and has no rows
        rows = await self._rows(one, others)
        if not job.is_to_fail:
            known = details.checkpoint.get("rows")
            numbers = _numbers(rows) if one.rows is None else known
            kept = {**details.checkpoint, "rows": numbers, GIVEN_UP: True}
            marked = await self._jobs.mark_to_fail(
                job.job_id, details, self._late, checkpoint=json.dumps(kept)
            )
            if not marked:
                return False  # a worker has it by now
            waited_s = self._now() - job.added_at
            logger.warning("Job {} was given up, as it waited for {:.0f} s", job.job_id, waited_s)
        await self._finalise(rows, details.checkpoint, self._sentence(one))
        self._settled.add(OpenJob(job.job_id, job.added_at, True))
        return True

    async def _rows(self, one: _Job, others: Sequence[_Job]) -> list[StoryboardRow]:
        """The rows of a job's shots; of one that has not begun, the current ones of no other's.

        A row that is none of its shots' is no picture's place: see `_fail_abandoned`.
        """
        project_id = project_in(one.job.job_id) or ""
        if one.rows is not None:
            found = await self._storyboards.by_ids(project_id, list(one.rows))
            numbered = [_numbered(row, one.rows.get(row.id)) for row in found]
            return [row for row in numbered if row.shot_number != OF_NO_SHOT]
        current = await self._storyboards.current(project_id)
        claimed = {row_id for other in others for row_id in other.rows or ()}
        of_request = [
            row for row in current if not is_of_newer_request(row.created_at, one.job.added_at)
        ]
        return [row for row in of_request if row.id not in claimed]

    def _sentence(self, one: _Job) -> str:
        """What people read: why it failed where its last attempt kept that, else it is late."""
        failure: Any = one.details.checkpoint.get("failure")
        if one.job.is_to_fail and not one.is_given_up and isinstance(failure, dict):
            why = Why.of_kept(cast("dict[str, Any]", failure).get("why"))
            return sentence(why, Thing.PICTURE, self._language)
        return self._late

    async def _finalise(
        self, rows: Sequence[StoryboardRow], checkpoint: Mapping[str, Any], text: str
    ) -> None:
        """What is refused for one picture keeps no other row open; its job's hook tries again."""
        for row in rows:
            bought = bought_picture(checkpoint, row.shot_number, self._now())
            if bought is None or row.status == "success":
                continue
            try:
                await self._storyboards.succeed(row.id, **bought.columns())
            except ServiceError as error:
                if error.retryable:
                    raise
                logger.warning("The picture of row {} could not be written: {}", row.id, error)
        if rows:
            await self._storyboards.fail_generating([row.id for row in rows], text)

    # -- rows and projects ------------------------------------------------------------------

    async def _fail_abandoned(self, project_id: RowId, live: Sequence[_Job]) -> int:
        """Fail the project's rows that are overdue and that no job will finalise; how many."""
        rows = await self._storyboards.generating_of(project_id)
        left = [row.id for row in rows if _due_of(row) <= self._now() and not _is_of(row, live)]
        if left:
            await self._storyboards.fail_generating(left, self._late)
            logger.warning("{} rows of project {} had no job: failed", len(left), project_id)
        return len(left)

    async def _finish_step(self, project_id: RowId) -> None:
        for _ in range(_TRIES):
            project = await self._projects.waiting_one(project_id, Step.STORYBOARDS)
            status = storyboards_status(await self._storyboards.current(project_id))
            if project is None or status is None:
                return
            if await self._projects.finish_step(project, status):
                logger.info("Project {}: step 3 is {}", project_id, status)
                return


def _by_project(jobs: Iterable[OpenJob]) -> Mapping[RowId, list[OpenJob]]:
    found: defaultdict[RowId, list[OpenJob]] = defaultdict(list)
    for job in jobs:
        found[project_in(job.job_id) or ""].append(job)
    return found


def _due_of(row: GeneratingRow) -> float:
    return _created_at(row) + PATIENCE.total_seconds()


def _created_at(row: GeneratingRow) -> float:
    """0.0 where the column is null: nobody knows of a person that waits only since then."""
    return 0.0 if row.created_at is None else row.created_at.timestamp()


def _is_of(row: GeneratingRow, live: Iterable[_Job]) -> bool:
    """Whether one of the jobs will finalise the row."""
    return any(row.is_current if one.rows is None else row.id in one.rows for one in live)


def _numbered(row: StoryboardRow, number: int | None) -> StoryboardRow:
    """The row under the number that its job gives it, its own where the job kept none."""
    return row if number is None else row.model_copy(update={"shot_number": number})


def _numbers(rows: Iterable[StoryboardRow]) -> dict[str, int]:
    return {row.id: row.shot_number for row in rows}
