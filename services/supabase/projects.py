"""Rows of `video_agent_projects`, and their owners."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from core.columns import Moment
from core.errors import NotFound
from core.jobs.envelope import iso
from core.paths import PlainId, RowId
from services.supabase.table import OwnedRow, Table, TableRow, owned_row

if TYPE_CHECKING:
    from services.supabase.client import Supabase

_TABLE = "video_agent_projects"
# 100 ids make an address of 4 KB, where gateways take 8.
_IDS_AT_ONCE = 100


class Step(StrEnum):
    """The steps that one job finishes, by their column."""

    STORYBOARDS = "step_3_status"
    FILM = "step_6_status"


# The statuses of a step whose job has not finished.
_WAITING: Mapping[Step, Sequence[str]] = {
    Step.STORYBOARDS: ("processing",),
    Step.FILM: ("processing", "queued"),
}


class Project(OwnedRow):
    """A project as jobs read it. `updated_at` is the database's own text."""

    updated_at: str | None = None
    step_3_status: str | None = None
    step_4_status: str | None = None
    step_6_status: str | None = None
    aspect_ratio: str | None = None
    transition_effect: str | None = None
    transition_duration: float | None = None


class _Steps(OwnedRow):
    """The columns of `Step`."""

    step_3_status: str | None = None
    step_6_status: str | None = None
    updated_at: str


class _Changed(TableRow):
    """When the project's row last changed."""

    id: str
    updated_at: Moment


class WaitingProject(TableRow):
    """A project whose `step` waits for its job. `updated_at` is the database's own text."""

    id: str
    user_id: str
    step: Step
    status: str
    updated_at: str


class Projects:
    """The projects table."""

    def __init__(self, supabase: "Supabase") -> None:
        self._table = Table(supabase, _TABLE, Project)
        self._steps = Table(supabase, _TABLE, _Steps)
        self._changed = Table(supabase, _TABLE, _Changed)

    async def owned(self, project_id: RowId, user_id: PlainId) -> Project:
        """The project, if `user_id` owns it. Raises NotFound or NotOwner."""
        return await owned_row(self._table, "project", project_id, user_id)

    async def owners(self, project_ids: Collection[RowId]) -> dict[RowId, PlainId]:
        """The owner of each project that there is."""
        ids, found = list(project_ids), dict[RowId, PlainId]()
        for start in range(0, len(ids), _IDS_AT_ONCE):
            some = ids[start : start + _IDS_AT_ONCE]
            rows = await self._table.read(
                "read the owners of projects", lambda rows, some=some: rows.in_("id", some)
            )
            found |= {row.id: row.user_id for row in rows}
        return found

    async def fail_composition(
        self, project_id: RowId, unchanged_since: datetime | None = None
    ) -> None:
        """Mark the final video as failed, unless it is finished, or its row changed since then."""
        fields = {"status": "failed", "step_6_status": "failed"}
        open_step = "step_6_status.is.null,step_6_status.neq.completed"

        def chosen(rows: Any) -> Any:
            rows = rows.eq("id", project_id).or_(open_step)
            return rows.lt("updated_at", iso(unchanged_since)) if unchanged_since else rows

        await self._table.change("finalise the project", fields, chosen)

    async def touch_composition(self, project_id: RowId) -> None:
        """Renew `updated_at` of a project whose final video is being made."""
        column, value = Step.FILM, "processing"
        await self._table.change(
            "keep the project fresh",
            {column: value},
            lambda rows: rows.eq("id", project_id).eq(column, value),
        )

    async def update(self, project_id: RowId, **fields: Any) -> None:
        """Set columns of one project. Raises NotFound."""
        changed = await self._table.change(
            "update the project", fields, lambda rows: rows.eq("id", project_id)
        )
        if not changed:
            raise NotFound(f"Project {project_id} does not exist")

    async def update_unchanged(self, project: Project, **fields: Any) -> bool:
        """Set columns of a project whose row is still as it was read; False if it is not.

        Also False when the response to the first try was lost and the retry found it done.
        """
        if project.updated_at is None:
            return False
        changed = await self._table.change(
            "update the project",
            fields,
            lambda rows: rows.eq("id", project.id).eq("updated_at", project.updated_at),
        )
        return bool(changed)

    async def waiting(self, step: Step, unchanged_since: datetime) -> list[WaitingProject]:
        """All projects whose `step` waits for a job and whose row is older than that."""
        pages = self._steps.pages(
            "read the waiting projects",
            lambda rows: rows.in_(step, _WAITING[step]).lt("updated_at", iso(unchanged_since)),
        )
        return [_waiting(row, step) async for page in pages for row in page]

    async def with_open_clips(self, after: datetime, before: datetime) -> dict[RowId, datetime]:
        """When the projects last changed whose clips' step is open, if that was between these."""
        pages = self._changed.pages(
            "read the projects with open clips",
            lambda rows: (
                rows.eq("step_4_status", "processing")
                .gt("updated_at", iso(after))
                .lt("updated_at", iso(before))
            ),
        )
        return {row.id: row.updated_at async for page in pages for row in page}

    async def waiting_one(self, project_id: RowId, step: Step) -> WaitingProject | None:
        """The project if its `step` waits for a job, else None."""
        rows = await self._steps.read(
            "read the project", lambda rows: rows.eq("id", project_id).in_(step, _WAITING[step])
        )
        return next((_waiting(row, step) for row in rows), None)

    async def finish_step(self, project: WaitingProject, outcome: str, /, **fields: Any) -> bool:
        """End the project's step and set `fields`; False when its row was changed since.

        Also False when the response to the first try was lost and the retry found it done.
        """
        changed = await self._table.change(
            "finalise the project",
            {project.step: outcome, **fields},
            lambda rows: (
                rows.eq("id", project.id)
                .eq(project.step, project.status)
                .eq("updated_at", project.updated_at)
            ),
        )
        return bool(changed)


def _waiting(row: _Steps, step: Step) -> WaitingProject:
    columns = row.model_dump()
    return WaitingProject.model_validate({**columns, "step": step, "status": columns[step]})
