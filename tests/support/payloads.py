"""Payloads of all nine jobs for hypothesis: good ones, near misses, and any JSON at all."""

from datetime import UTC
from typing import Any

from hypothesis import strategies as st

from core.jobs.registry import discover

SURROGATES = st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF)
ANY_TEXT = (
    st.text() | st.text(SURROGATES, min_size=1) | st.text(max_size=3).map(lambda one: one * 90)
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(ANY_TEXT, inner, max_size=5),
    max_leaves=20,
)

_ROW = st.uuids().map(str)
_PLAIN = st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True)
_SHOT_NUMBER = st.integers(0, 1000)
_URL = st.from_regex(r"https://[a-z]{1,10}\.example/[a-z0-9/]{0,30}", fullmatch=True)
_WORDS = st.text("abc 猫门é", max_size=40)
_SEEN = _WORDS.map(lambda text: f"seen {text}".strip())
_SHOT = st.fixed_dictionaries(
    {"shot_number": st.integers(1, 1000), "description": _SEEN},
    optional={
        "camera_angle": _WORDS,
        "character_action": _WORDS | st.none(),
        "characters": st.lists(_SEEN, max_size=3) | st.none(),
        "mood": _WORDS,
        "time_range": _WORDS,
        "duration_seconds": st.integers(1, 60),
    },
)
_CHARACTER = st.fixed_dictionaries(
    {"name": _SEEN},
    optional={"id": _ROW | st.none(), "reference_images": st.lists(_URL, max_size=3)},
)
_PICTURE = st.fixed_dictionaries(
    {},
    optional={
        "width": st.integers(16, 4096),
        "height": st.integers(16, 4096),
        "quality": st.integers(1, 100),
        "format": st.sampled_from(["jpg", "png", "webp"]),
        "timeOffset": st.floats(0, 86_400),
    },
)


@st.composite
def _thumbnails(draw: st.DrawFn) -> dict[str, Any]:
    user, video = draw(_PLAIN), draw(_PLAIN)
    path = f"videos/{user}/{video}.mp4"
    return {
        "userId": user,
        "videoId": video,
        "videoPath": path,
        "thumbnailSettings": draw(_PICTURE),
    }


_OF_PROJECT = {"userId": _PLAIN, "projectId": _ROW}
_SINGLE = {**_OF_PROJECT, "shotNumber": _SHOT_NUMBER, "externalUrl": _URL}

GOOD: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "storyboard_generation": st.fixed_dictionaries(
        {
            **_OF_PROJECT,
            "shots": st.lists(_SHOT, min_size=1, max_size=5, unique_by=lambda s: s["shot_number"]),
            "characters": st.lists(_CHARACTER, max_size=3),
        },
        optional={
            "style": _WORDS | st.none(),
            "aspectRatio": st.sampled_from(["16:9", "9:16", "1:1"]),
        },
    ),
    "storyboard_download": st.fixed_dictionaries(_SINGLE, optional={"storyboardId": _ROW}),
    "video_clip_download": st.fixed_dictionaries(_SINGLE),
    "va_sync_video_status": st.fixed_dictionaries(_OF_PROJECT),
    "va_compose_video": st.fixed_dictionaries(_OF_PROJECT),
    "download_video": st.fixed_dictionaries(
        {"userId": _PLAIN, "videoId": _ROW | _PLAIN.map(lambda one: f"temp-{one[:100]}")}
        | {"originalUrl": _URL}
    ),
    "generate_thumbnail": _thumbnails(),
    "cleanup_temp": st.fixed_dictionaries(
        {"userId": _PLAIN, "tempUrls": st.lists(_URL, max_size=5)},
        optional={
            "cleanupAfter": st.datetimes(timezones=st.none() | st.just(UTC)).map(
                lambda one: one.isoformat()
            )
        },
    ),
    "update_quota": st.fixed_dictionaries(
        {"userId": _ROW, "operation": st.sampled_from(["add", "remove", "recalculate"])}
    ),
}
assert GOOD.keys() == discover().entries().keys()


@st.composite
def near_misses(draw: st.DrawFn, good: st.SearchStrategy[dict[str, Any]]) -> Any:
    """A good payload in which up to three values, at any depth, became something else."""
    payload: Any = draw(good)
    for _ in range(draw(st.integers(1, 3))):
        payload = _changed(draw, payload)
    return payload


def _changed(draw: st.DrawFn, value: Any) -> Any:
    """Go down by chance; where that ends the value is replaced, or it loses or gains something."""
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 3)) == 0:
        return draw(ANY_JSON)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = draw(st.sampled_from(keys))
    changed = value.copy()
    match draw(st.sampled_from(["inside", "gone", "more"])):
        case "inside":
            changed[key] = _changed(draw, value[key])
        case "gone":
            del changed[key]
        case _ if isinstance(changed, dict):
            changed[draw(ANY_TEXT)] = draw(ANY_JSON)
        case _:
            changed.append(draw(ANY_JSON))
    return changed
