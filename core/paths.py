"""Storage buckets and object paths, exactly as the app reads them.

Every part of a path is a `PlainId` or a `RowId`: no slash, dot, percent sign or control character
can reach a key.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, TypeGuard
from urllib.parse import unquote

from pydantic import AfterValidator

# Videos that the app shows before they are saved have an id of this form and no row.
TEMPORARY = "temp-"

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,128}")
# Paths below a user's folder: `abc.mp4`, `video-agent/abc/final.mp4`.
_BELOW_USER = re.compile(r"(?:[A-Za-z0-9_-]{1,128}/){0,8}[A-Za-z0-9_-]{1,128}\.[A-Za-z0-9]{1,8}")

ROW_ID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
"""A regular expression, without groups, for a row's primary key within ids and paths."""

_ROW_ID = re.compile(ROW_ID)


def _plain(value: str) -> str:
    if not _PLAIN.fullmatch(value):
        raise ValueError("must be 1 to 128 letters, digits, '-' or '_'")
    return value


def _uuid(value: str) -> str:
    if not _ROW_ID.fullmatch(value):
        raise ValueError("must be a UUID")
    return value


def _uuid_or_temporary(value: str) -> str:
    return value if value.startswith(TEMPORARY) else _uuid(value)


PlainId = Annotated[str, AfterValidator(_plain)]
"""An id that may stand in an object path."""

RowId = Annotated[str, AfterValidator(_uuid)]
"""The primary key of a row."""

VideoId = Annotated[PlainId, AfterValidator(_uuid_or_temporary)]
"""The primary key of a single video, or the id of one without a row."""


def is_row_id(value: Any) -> TypeGuard[RowId]:
    """Whether an untrusted value can be a row's primary key."""
    return isinstance(value, str) and bool(_ROW_ID.fullmatch(value))


class Bucket(StrEnum):
    """The three buckets of the app; all are public."""

    VIDEOS = "user-videos"
    THUMBNAILS = "video-thumbnails"
    IMAGES = "user-images"


def storyboard_image(
    user_id: PlainId, project_id: RowId, shot_number: int, storyboard_id: RowId | None
) -> str:
    """Object path of a storyboard picture; without a row id for jobs of the older form."""
    version = f"-{storyboard_id}" if storyboard_id else ""
    folder = f"images/{user_id}/video-agent/{project_id}/storyboards"
    return f"{folder}/shot-{shot_number}{version}.jpg"


def clip_video(
    user_id: PlainId, project_id: RowId, shot_number: int, clip_id: RowId, generation: str
) -> str:
    """Object path of one generation of a clip; `generation` is the provider's id of it.

    Shots are renumbered and get other clips, while browsers cache an address for an hour: the row's
    id and a hash of the provider's id make the path unique to one generation.
    """
    name = f"shot-{shot_number}{_of_clip(clip_id, generation)}"
    return f"videos/{user_id}/video-agent/{project_id}/clips/{name}"


def is_clip_of(path: str | None, clip_id: RowId, generation: str) -> bool:
    """Whether `clip_video` gives this path for that generation, whatever the shot's number was."""
    return (path or "").endswith(_of_clip(clip_id, generation))


def is_older_clip(path: str | None, clip_id: RowId, generation: str) -> bool:
    """Whether `clip_video` gives this path for another generation of that row."""
    return f"-{clip_id}-" in (path or "") and not is_clip_of(path, clip_id, generation)


def _of_clip(clip_id: RowId, generation: str) -> str:
    return f"-{clip_id}-{clip_generation(generation)}.mp4"


def clip_generation(generation: str) -> str:
    """How a provider's id of a clip stands in object paths: ten hexadecimal digits."""
    # 40 bits: among 1,000 generations of one row two are alike once in two million cases.
    return sha256(generation.encode()).hexdigest()[:10]


def final_video(user_id: PlainId, project_id: RowId) -> str:
    """Object path of a project's final video; `user_id` is the project's own."""
    return f"videos/{user_id}/video-agent/{project_id}/final.mp4"


def user_video(user_id: PlainId, video_id: PlainId) -> str:
    """Object path of a single video; an id that starts with `temp-` has no row."""
    return f"videos/{user_id}/{video_id}.mp4"


def thumbnail(user_id: PlainId, video_id: PlainId) -> str:
    """Object path of a video's thumbnail."""
    return f"thumbnails/{user_id}/{video_id}.jpg"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of ours by bucket and path."""

    bucket: Bucket
    path: str

    def is_under(self, user_id: PlainId) -> bool:
        """Whether it belongs to this user: the second folder is theirs, as in all paths above."""
        folders = self.path.split("/")[:-1]
        return len(folders) >= 2 and folders[1] == user_id


def stored_object(url: str, supabase_url: str) -> StoredObject | None:
    """The object that a public or signed URL of this Supabase project serves, None for others.

    The path is decoded once; one that is ambiguous (dots, a second encoding, control characters)
    gives None.
    """
    if not url.startswith(f"{supabase_url}/"):
        return None
    found = _OBJECT_URL.fullmatch(url.removeprefix(supabase_url))
    if found is None:
        return None
    path = unquote(found["path"])
    return StoredObject(Bucket(found["bucket"]), path) if _is_plain_path(path) else None


_OBJECT_URL = re.compile(
    rf"/storage/v1/object/(?:public|sign)/(?P<bucket>{'|'.join(Bucket)})/(?P<path>[^?#]+)(?:[?#].*)?"
)


def _is_plain_path(path: str) -> bool:
    segments = path.split("/")
    return (
        path.isprintable()
        and not set(path) & set("%\\")
        and all(segment.strip(".") for segment in segments)
    )


def is_video_of(user_id: PlainId, path: str) -> bool:
    """Whether a path that came with a job names a file in this user's video folder."""
    folder = f"videos/{user_id}/"
    return path.startswith(folder) and bool(_BELOW_USER.fullmatch(path.removeprefix(folder)))
