"""Ids of all payloads: what may become part of a path is plain, in the jobs and in their hooks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core import paths
from core.errors import InvalidData
from core.jobs.data import parse
from core.paths import PlainId, RowId, VideoId
from tests.support.models import models

USER = "00000000-0000-4000-8000-000000000001"
ROW = "11111111-1111-4111-8111-111111111111"
URL = "https://x.example/a"
MODELS = models()

PAYLOADS: dict[str, dict[str, Any]] = {
    "cleanup_temp": {"tempUrls": []},
    "download_video": {"videoId": ROW, "originalUrl": URL},
    "generate_thumbnail": {"videoId": ROW, "videoPath": f"videos/{USER}/a.mp4"},
    "storyboard_download": {
        "projectId": ROW, "shotNumber": 1, "storyboardId": ROW, "externalUrl": URL,
    },
    "storyboard_generation": {
        "projectId": ROW, "shots": [{"shot_number": 1, "description": "A door"}],
    },
    "update_quota": {"operation": "add"},
    "va_compose_video": {"projectId": ROW},
    "va_sync_video_status": {"projectId": ROW},
    "video_clip_download": {"projectId": ROW, "shotNumber": 1, "externalUrl": URL},
}  # fmt: skip
IDS = ("userId", "projectId", "videoId", "storyboardId")

HOSTILE = {
    "empty": "",
    "a dot": ".",
    "the folder above": "..",
    "a path": "a/b",
    "a path above": "../b",
    "a path above behind an id": f"{ROW}/../b",
    "an absolute path": "/etc/passwd",
    "a backslash": "..\\b",
    "an encoded slash": "a%2fb",
    "an encoded path above": "%2e%2e%2fb",
    "a suffix": "a.mp4",
    "a space": "a b",
    "a line feed at the end": f"{ROW}\n",
    "a null": f"{ROW}\0",
    "a query": f"{ROW}?download",
    "a fragment": f"{ROW}#",
    "a colon": "a:b",
    "an asterisk": "*",
    "a filter of PostgREST": f"{ROW},user_id.neq.x",
    "SQL": "' or 1=1 --",
    "full-width letters": "\uff41\uff42",
    "a Cyrillic letter": "\u0430",
    "a space of no width": f"{ROW}\u200b",
    "half of a surrogate pair": "\ud800",
    "129 characters": "a" * 129,
}

each_id = pytest.mark.parametrize(
    ("name", "field"),
    [
        pytest.param(name, field, id=f"{name}: {field}")
        for name, payload in PAYLOADS.items()
        for field in IDS
        if field in {"userId", *payload}
    ],
)


def test_all_jobs_are_here() -> None:
    assert set(PAYLOADS) == set(MODELS)
    for name, one in MODELS.items():
        for model in one.all:
            assert parse(model, {"userId": USER, **PAYLOADS[name]}).user_id == USER


@each_id
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_id_is_refused(name: str, field: str, hostile: str) -> None:
    payload = {"userId": USER, **PAYLOADS[name], field: hostile}
    for model in MODELS[name].all:
        with pytest.raises(InvalidData, match=f"'{field}': ") as raised:
            parse(model, payload)
        assert str(raised.value).isprintable()


def taken(kind: Any, text: str, instead: str) -> str:
    """The text where it passes for an id of this kind."""
    try:
        return TypeAdapter(kind).validate_python(text)
    except ValidationError:
        return instead


_text = st.one_of(
    st.text(max_size=40),
    st.text(alphabet="aB9-_./%\\\0\n ", max_size=20),
    st.from_regex(r"(temp-)?[A-Za-z0-9_-]{1,30}[./%]?", fullmatch=True),
    st.uuids().map(str),
)


@given(_text, _text, _text, _text, st.integers(0, 1000))
def test_no_key_leaves_the_folder_of_its_user(
    user: str, project: str, row: str, video: str, shot: int
) -> None:
    user, plain = taken(PlainId, user, "u"), taken(PlainId, video, "v")
    project, row, video = (
        taken(RowId, project, ROW), taken(RowId, row, ROW), taken(VideoId, video, ROW)
    )  # fmt: skip
    keys = [
        paths.storyboard_image(user, project, shot, row),
        paths.clip_video(user, project, shot, row, video),
        paths.final_video(user, project),
        paths.user_video(user, video),
        paths.thumbnail(user, plain),
    ]
    for key in keys:
        kind, owner, *rest = key.split("/")
        assert kind in {"images", "videos", "thumbnails"}
        assert (owner, bool(rest)) == (user, True)
        assert all(part and not part.startswith(".") for part in rest)
        assert key.isascii()
        assert not set(key) & set("%\\?#: \0\n")
