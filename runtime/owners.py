"""Names the owner in jobs whose producer did not: the app's own routes leave `userId` out at times.

The owner is that of the project, else of the single video, that the job names. A user id that a job
has is never replaced: whether it owns the row is the handler's question.
"""

from typing import Any, cast

from core.paths import PlainId, is_row_id
from services.bundle import Services


async def name_owner(services: Services, data: Any) -> None:
    """Set a missing or null `userId` of a job's data, if the row that it names has an owner.

    Data that name no row stay as they are, and do not validate. Raises ServiceError, ProviderDown.
    """
    if not isinstance(data, dict):
        return
    fields = cast("dict[str, Any]", data)
    if fields.get("userId") is None and (owner := await _owner(services, fields)):
        fields["userId"] = owner


async def _owner(services: Services, fields: dict[str, Any]) -> PlainId | None:
    project_id, video_id = fields.get("projectId"), fields.get("videoId")
    if is_row_id(project_id):
        return (await services.projects.owners([project_id])).get(project_id)
    if project_id is None and is_row_id(video_id):
        return await services.videos.owner(video_id)
    return None
