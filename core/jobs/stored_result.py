"""Results of the jobs that store a provider's picture or clip."""

from core.jobs.data import JobResult


class StoredResult(JobResult):
    """It was stored. `file_size` in bytes; `cdn_url` is the public URL."""

    downloaded: bool = True
    project_id: str
    shot_number: int
    storage_path: str
    cdn_url: str
    file_size: int


class AlreadyStored(JobResult):
    """It was stored before."""

    downloaded: bool = False
    skipped: bool = True
    reason: str = "Already completed"
    project_id: str
    shot_number: int
    storyboard_id: str | None = None
