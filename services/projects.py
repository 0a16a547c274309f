"""Rows of `video_agent_projects`, and who owns them."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from core.errors import NotFound, NotOwner
from core.paths import PlainId, RowId
from services.supabase import Supabase

_TABLE = "video_agent_projects"
_COLUMNS = (
    "id,user_id,step_3_status,step_4_status,aspect_ratio,transition_effect,transition_duration"
)


class Project(BaseModel):
    """The columns of a project that jobs read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    user_id: str
    step_3_status: str | None = None
    step_4_status: str | None = None
    aspect_ratio: str | None = None
    transition_effect: str | None = None
    transition_duration: float | None = None


class Projects:
    """The projects table."""

    def __init__(self, supabase: Supabase) -> None:
        self._supabase = supabase

    async def owned(self, project_id: RowId, user_id: PlainId) -> Project:
        """The project, if `user_id` owns it. Raises NotFound or NotOwner."""
        rows = await self._supabase.query(
            "read the project",
            lambda db: db.from_(_TABLE).select(_COLUMNS).eq("id", project_id).execute(),
        )
        if not rows:
            raise NotFound(f"Project {project_id} does not exist")
        project = Project.model_validate(rows[0])
        if project.user_id != user_id:
            raise NotOwner(f"Project {project_id} does not belong to the job's user")
        return project

    async def fail_composition(self, project_id: RowId) -> None:
        """Show that there is no final video, unless there is: a finished film stays finished."""
        fields = {"status": "failed", "step_6_status": "failed"}
        open_step = "step_6_status.is.null,step_6_status.neq.completed"
        await self._supabase.query(
            "settle the project",
            lambda db: (
                db.from_(_TABLE).update(fields).eq("id", project_id).or_(open_step).execute()
            ),
        )

    async def update(self, project_id: RowId, **fields: Any) -> None:
        """Set columns of one project."""
        await self._supabase.query(
            "update the project",
            lambda db: db.from_(_TABLE).update(fields).eq("id", project_id).execute(),
        )
