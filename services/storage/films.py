"""Final videos: the object `final.mp4` and the project's columns about it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.columns import as_resolution
from core.errors import TransientError
from core.jobs.envelope import iso
from core.paths import Bucket, final_video
from core.people import Cause
from services.storage.spool import Upload, whole
from services.supabase.projects import Project

if TYPE_CHECKING:
    from services.storage.uploads import Uploads
    from services.supabase.client import Supabase

_TABLE = "video_agent_projects"


@dataclass(frozen=True, slots=True)
class Film:
    """A finished video on this machine, as probed."""

    file: Path
    size_bytes: int
    width: int
    height: int
    seconds: float

    @property
    def resolution(self) -> str:
        """As the app shows it: `1920x1080`."""
        return as_resolution(self.width, self.height)


@dataclass(frozen=True, slots=True)
class StoredFilm:
    """What the project's row says of its final video."""

    url: str
    size_bytes: int
    resolution: str

    def columns(self, project: Project) -> dict[str, Any]:
        """The row's fields, except the time."""
        return {
            "status": "completed",
            "step_6_status": "completed",
            "final_video_url": self.url,
            "final_video_storage_path": final_video(project.user_id, project.id),
            "final_video_file_size": self.size_bytes,
            "final_video_resolution": self.resolution,
        }


class Films:
    """The final videos of projects."""

    def __init__(self, uploads: "Uploads", supabase: "Supabase") -> None:
        self._uploads = uploads
        self._supabase = supabase

    async def store(self, project: Project, film: Film) -> str:
        """Upload the film, replacing an existing one; returns its public URL."""
        path = final_video(project.user_id, project.id)
        with whole(film.file) as spool:
            await self._uploads.send(
                Upload(spool, Bucket.VIDEOS, path, film.size_bytes, "video/mp4")
            )
        return await self._supabase.public_url(Bucket.VIDEOS, path)

    async def is_stored(self, project: Project, size_bytes: int) -> bool:
        """Whether the project's film is in storage, of this size."""
        path = final_video(project.user_id, project.id)
        return await self._supabase.size_of(Bucket.VIDEOS, path) == size_bytes

    async def record(self, project: Project, film: StoredFilm) -> None:
        """Complete the project. Raises TransientError if the row did not keep it.

        PostgREST answers with the row as it is after the update and its triggers, or with none.
        """
        columns = film.columns(project)
        fields = {**columns, "completed_at": iso(datetime.now(UTC))}
        written = await self._supabase.query(
            "complete the project",
            lambda db: db.from_(_TABLE).update(fields).eq("id", project.id).execute(),
        )
        if [{name: row.get(name) for name in columns} for row in written] != [columns]:
            found = "The project's row did not keep what was written to it"
            raise TransientError(found, cause=Cause.NOT_SAVED)
