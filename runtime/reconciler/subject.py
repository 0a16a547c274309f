"""Whose project a waiting job is about, by its payload: untrusted, so the owner is checked."""

import re
from typing import Any

from core.errors import InvalidData, NotFound, NotOwner
from core.jobs.data import JobData, parse
from core.paths import ROW_ID, RowId
from runtime.owners import name_project_owner
from services.supabase.projects import Project, Projects

UUID_GLOB = "-".join("?" * length for length in (8, 4, 4, 4, 12))
"""A project's id within a job's, as a glob for Redis."""

_ROW_ID = re.compile(ROW_ID)


class _Subject(JobData):
    project_id: RowId


def project_in(job_id: str) -> RowId | None:
    """The project that a job's id names."""
    match = _ROW_ID.search(job_id)
    return match[0].lower() if match else None


async def owned_project(projects: Projects, job_id: str, data: Any) -> Project | None:
    """The project of a job; None where the job is invalid or not its owner's, and will fail.

    A job without a user id is its project's owner's, as it is for the worker that runs it.
    """
    await name_project_owner(projects, data)
    try:
        subject = parse(_Subject, data)
        if subject.project_id.lower() != project_in(job_id):
            return None
        return await projects.owned(subject.project_id, subject.user_id)
    except (InvalidData, NotFound, NotOwner):
        return None
