"""Names the owner in jobs whose producer did not: the app's own routes leave `userId` out at times.

The owner is that of the project, else of the single video, that the job names. A user id that a job
has is never replaced: whether it owns the row is the handler's question.
"""

from typing import Any, cast

from core.paths import PlainId, is_row_id
from services.bundle import Services
from services.supabase.projects import Projects


async def name_owner(services: Services, data: Any) -> None:
    """Set a missing or null `userId` of a job's data, if the row that it names has an owner.

    Data that name no row stay as they are, and do not validate. Raises ServiceError, ProviderDown.
    """
    if not isinstance(data, dict):
        return
    fields = cast("dict[str, Any]", data)
    if fields.get("userId") is None and (owner := await _owner(services, fields)):
        fields["userId"] = owner


async def name_project_owner(projects: Projects, data: Any) -> None:
    """As `name_owner`, for the data of jobs that name a project. Raises ServiceError."""
    if not isinstance(data, dict):
        return
    fields = cast("dict[str, Any]", data)
    if fields.get("userId") is None and (owner := await _project_owner(projects, fields)):
        fields["userId"] = owner


async def _owner(services: Services, fields: dict[str, Any]) -> PlainId | None:
    project_id, video_id = fields.get("projectId"), fields.get("videoId")
    if is_row_id(project_id):
        return await _project_owner(services.projects, fields)
    if project_id is None and is_row_id(video_id):
        return await services.videos.owner(video_id)
    return None


async def _project_owner(projects: Projects, fields: dict[str, Any]) -> PlainId | None:
    project_id = fields.get("projectId")
    if not is_row_id(project_id):
        return None
    return (await projects.owners([project_id])).get(project_id)
