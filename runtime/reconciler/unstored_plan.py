"""What is to be done about a file that is not stored. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Generic, TypeAlias, TypeVar

from bullmq_consumer.new_job import NewJob
from core.jobs import follow_ups
from core.paths import ROW_ID, PlainId
from runtime.reconciler.memory import Remembered
from services.supabase.clip_upkeep import KeptClip
from services.supabase.storyboards import UnstoredPicture

LIFE = timedelta(hours=24)
"""Of an address at a provider."""

# What takes longer would not be stored any more: a clip's attempts and their pauses take minutes.
_TOO_LATE = timedelta(hours=23)
_ALERT_BEFORE = timedelta(hours=3)
# A job adds the download of a row right after it has written the row.
_SETTLING = timedelta(seconds=45)
# 10, 20, 40, 80 and then each 120 minutes: some 14 times in 23 hours.
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=10), timedelta(hours=2)


Row: TypeAlias = UnstoredPicture | KeptClip
R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """One table's files: how they are called, and the jobs that store them.

    `job_id` finds in a job's id what `key` says of a row: shots may have other numbers by now.
    """

    noun: str
    glob: str
    job_id: re.Pattern[str]
    key: Callable[[R], tuple[str, ...]]
    download: Callable[[R, PlainId], NewJob]

    def key_of(self, job_id: str) -> tuple[str, ...] | None:
        """What the job of this id stores; None for jobs of another form."""
        match = self.job_id.fullmatch(job_id)
        return match.groups() if match else None


@dataclass(frozen=True, slots=True)
class UnstoredFile(Generic[R]):
    """A file that only its provider has, and what the rounds know of it."""

    kind: Kind[R]
    row: R
    known: Remembered

    @property
    def name(self) -> str:
        """Under which it is remembered."""
        return name_of(self.row)

    @property
    def key(self) -> tuple[str, ...]:
        """By which its jobs are found."""
        return self.kind.key(self.row)

    def download(self, user_id: PlainId) -> NewJob:
        """The job that stores it."""
        return self.kind.download(self.row, user_id)

    def is_late(self, now: datetime) -> bool:
        """Whether its end is near, and nobody has been told."""
        age = now - self.known.born
        return LIFE - _ALERT_BEFORE <= age < LIFE and not self.known.alerted

    def is_due(self, now: datetime) -> bool:
        """Whether its download is to be added again, unless it has one."""
        return now - self.known.born < _TOO_LATE and self.known.due <= now

    def alerted(self) -> "UnstoredFile[R]":
        """The same, once people have been told."""
        return self._knowing(self.known.model_copy(update={"alerted": True}))

    def tried(self, now: datetime) -> "UnstoredFile[R]":
        """The same, once its download was added again."""
        pause = min(_FIRST_PAUSE * 2**self.known.tries, _LONGEST_PAUSE)
        change = {"tries": self.known.tries + 1, "due": now + pause}
        return self._knowing(self.known.model_copy(update=change))

    def _knowing(self, known: Remembered) -> "UnstoredFile[R]":
        return UnstoredFile(self.kind, self.row, known)


def name_of(row: Row) -> str:
    """Under which a file is remembered: a clip that is generated anew keeps the row."""
    return f"rescue:{row.id}:{sha256(row.url.encode()).hexdigest()[:10]}"


def is_settled(row: Row, now: datetime) -> bool:
    """Whether the job that wrote the row has added the download, if it ever will."""
    return min(row.created_at or row.born, row.born) <= now - _SETTLING


def first_seen(row: Row) -> Remembered:
    """What is known of a file of which nothing was remembered."""
    return Remembered(born=row.born, due=row.born)


def _picture_key(row: UnstoredPicture) -> tuple[str, ...]:
    return (row.id,)


def _picture_download(row: UnstoredPicture, user_id: PlainId) -> NewJob:
    return follow_ups.storyboard_download(
        user_id=user_id,
        project_id=row.project_id,
        shot_number=row.shot_number,
        storyboard_id=row.id,
        external_url=row.url,
        priority=4,
        remove_on_complete=True,
    )


def _clip_key(row: KeptClip) -> tuple[str, ...]:
    return (row.project_id, follow_ups.in_job_id(row.provider_id))


def _clip_download(row: KeptClip, user_id: PlainId) -> NewJob:
    return follow_ups.video_clip_download(
        user_id=user_id,
        project_id=row.project_id,
        shot_number=row.shot_number,
        provider_id=row.provider_id,
        external_url=row.url,
    )


PICTURES: Kind[UnstoredPicture] = Kind(
    "pictures",
    "storyboard_download_*",
    re.compile(rf"storyboard_download_{ROW_ID}_\d+_({ROW_ID})"),
    _picture_key,
    _picture_download,
)
CLIPS: Kind[KeptClip] = Kind(
    "clips",
    "va_clip_download_*",
    re.compile(rf"va_clip_download_({ROW_ID})_\d+_(.*)"),
    _clip_key,
    _clip_download,
)
