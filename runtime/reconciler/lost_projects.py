"""Repairs projects that wait for a job which the queue no longer has."""

from collections.abc import Sequence
from datetime import datetime

from loguru import logger

from core.alert import Alert, kind_of, shown
from core.errors import ServiceError
from core.paths import RowId
from core.people import Cause, Thing, Why, sentence
from runtime.reconciler.part import Tools
from runtime.reconciler.plan import LeaveAlone, MarkFailed, Repair, plan_repair, storyboards_status
from runtime.reconciler.subject import UUID_GLOB, project_in
from services.supabase.projects import Step, WaitingProject

# The ids that a step's jobs have, as a glob for Redis (so that thousands of waiting
# `storyboard_download_…` are not fetched).
_GLOBS = {Step.FILM: f"va_compose_{UUID_GLOB}", Step.STORYBOARDS: f"storyboard_{UUID_GLOB}_*"}


class LostProjects:
    """Ends the step of a project whose job is in none of the queue's sets."""

    def __init__(self, tools: Tools) -> None:
        self._queue = tools.queue
        self._projects = tools.services.projects
        self._storyboards = tools.services.storyboards
        self._age = tools.age
        self._notify = tools.notify
        language = tools.services.settings.app_language
        self._lost = sentence(Why(Cause.UNKNOWN), Thing.PICTURE, language)
        self._repaired = 0

    async def work(self, now: datetime) -> Sequence[str]:
        """Rows first, then jobs: a job that was added in between is seen."""
        self._repaired = 0
        before = now - self._age
        for step in Step:
            found = await self._projects.waiting(step, before)
            busy = await self._busy(step) if found else set[RowId]()
            for project in found:
                if project.id not in busy:
                    await self._repair(project, before)
        return [f"{self._repaired} projects without a job settled"] if self._repaired else []

    async def _busy(self, step: Step) -> set[RowId]:
        """The projects that have an unfinished job for this step."""
        ids = await self._queue.unfinished(_GLOBS[step])
        return {project for one in ids if (project := project_in(one))}

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
        rows = await self._storyboards.current(project.id)
        # Without rows: a reset takes seconds, and this one has waited much longer.
        status = storyboards_status(rows) if rows else "failed"
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
        self._repaired += 1
