from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from core.errors import UnrecoverableError
from core.timeline import Scene, timeline


@dataclass(frozen=True)
class Clip:
    shot_number: int
    status: str | None = "success"
    cdn_url: str | None = None
    video_url_external: str | None = None
    video_url: str | None = None
    is_googles: bool = False
    provider_id: str = ""
    fps: int | None = None


def test_clips_lie_end_to_end_each_as_long_as_its_own_shot() -> None:
    clips = [Clip(3, cdn_url="c"), Clip(1, cdn_url="a"), Clip(2, "failed", cdn_url="b")]
    found = timeline(clips, {1: 4, 2: 8, 3: 6}, "16:9")
    assert found.scenes == (Scene(1, "a", 0, 4), Scene(3, "c", 4, 6))
    assert found.seconds == 10


@pytest.mark.parametrize("seconds", [None, 0, -3])
def test_a_shot_without_length_lasts_five_seconds(seconds: int | None) -> None:
    found = timeline([Clip(1, cdn_url="a"), Clip(2, cdn_url="b")], {1: seconds}, "16:9")
    assert [scene.length for scene in found.scenes] == [5, 5]


@pytest.mark.parametrize(
    ("clip", "url"),
    [
        (Clip(1, cdn_url="a", video_url_external="b", video_url="c"), "a"),
        (Clip(1, cdn_url="", video_url_external="b", video_url="c"), "b"),
        (Clip(1, video_url="c"), "c"),
    ],
)
def test_the_own_copy_comes_first(clip: Clip, url: str) -> None:
    assert timeline([clip], {}, None).scenes[0].url == url


@pytest.mark.parametrize("status", ["failed", None])
def test_what_did_not_succeed_is_left_out(status: str | None) -> None:
    assert timeline([Clip(1, status, cdn_url="a")], {1: 4}, "16:9").scenes == ()


def test_there_is_no_film_while_a_clip_is_made() -> None:
    clips = [Clip(1, cdn_url="a"), Clip(3, "generating", cdn_url="old"), Clip(2, "generating")]
    with pytest.raises(UnrecoverableError) as raised:
        timeline(clips, {}, None)
    assert str(raised.value) == "Some clips are still being made: shot 2, shot 3"


@pytest.mark.parametrize("empty", [None, ""])
def test_no_clip_that_succeeded_is_left_out_silently(empty: str | None) -> None:
    clips = [Clip(3, cdn_url=empty), Clip(1, cdn_url="a"), Clip(2, video_url=empty)]
    with pytest.raises(UnrecoverableError) as raised:
        timeline(clips, {1: 4}, "16:9")
    assert str(raised.value) == (
        "Some clips are missing their video. Please generate them again: shot 2, shot 3."
    )


@pytest.mark.parametrize(
    ("given", "aspect", "size"),
    [
        ("16:9", "16:9", (1920, 1080)),
        ("9:16", "9:16", (1080, 1920)),
        (None, "16:9", (1920, 1080)),
        ("2:1", "16:9", (1920, 1080)),
    ],
)
def test_shape(given: str | None, aspect: str, size: tuple[int, int]) -> None:
    found = timeline([], {}, given)
    assert (found.aspect_ratio, found.size) == (aspect, size)


def test_the_edit_is_what_shotstack_documents() -> None:
    clips = [Clip(1, cdn_url="https://x/a"), Clip(2, cdn_url="https://x/b")]
    asset = {"type": "video"}
    assert timeline(clips, {1: 4, 2: 8}, "9:16").shotstack_edit() == {
        "timeline": {
            "tracks": [
                {
                    "clips": [
                        {"asset": {**asset, "src": "https://x/a"}, "start": 0, "length": 4},
                        {"asset": {**asset, "src": "https://x/b"}, "start": 4, "length": 8},
                    ]
                }
            ]
        },
        "output": {
            "format": "mp4",
            "resolution": "1080",
            "aspectRatio": "9:16",
            "destinations": [{"provider": "shotstack", "exclude": True}],
        },
    }


@pytest.mark.parametrize(
    ("rates", "fps"), [((24, 24), 24), ((24, None), None), ((24, 30), None), ((None, None), None)]
)
def test_a_film_is_as_fast_as_all_of_its_clips(
    rates: tuple[int | None, int | None], fps: int | None
) -> None:
    """Otherwise Shotstack's own 25 stands: a clip would stutter at another's rate, too."""
    clips = [Clip(number, cdn_url="a", fps=rate) for number, rate in enumerate(rates, 1)]
    found = timeline(clips, LENGTHS, "16:9")
    assert found.fps == fps
    assert found.shotstack_edit()["output"].get("fps") == fps
    slower = [replace(clip, fps=None) for clip in clips]
    assert found.fingerprint("x") == timeline(slower, LENGTHS, "16:9").fingerprint("x"), (
        "films that an earlier version ordered are gone on with"
    )


LENGTHS = {1: 4, 2: 8}


def two(first: str = "cgt-1", second: str = "cgt-2", host: str = "a") -> list[Clip]:
    return [
        Clip(1, cdn_url=f"https://{host}.example/1.mp4", provider_id=first),
        Clip(2, cdn_url=f"https://{host}.example/2.mp4", provider_id=second),
    ]


def shown(clips: list[Clip], lengths: Mapping[int, int], aspect: str = "16:9") -> str:
    return timeline(clips, lengths, aspect).fingerprint("x")


def test_the_same_clips_are_the_same_film_wherever_they_lie_and_whatever_their_numbers() -> None:
    renumbered = [replace(clip, shot_number=clip.shot_number + 1) for clip in two(host="b")]
    assert shown(two(), LENGTHS) == shown(renumbered, {2: 4, 3: 8})


@pytest.mark.parametrize(
    "other",
    [
        shown(two("cgt-2", "cgt-1"), LENGTHS),
        shown(two("cgt-3"), LENGTHS),
        shown(two()[:1], LENGTHS),
        shown(two(), {1: 4, 2: 9}),
        shown(two(), LENGTHS, "9:16"),
        timeline(two(), LENGTHS, "16:9").fingerprint("y"),
    ],
    ids=["order", "generation", "number", "length", "format", "maker"],
)
def test_another_film_has_another_fingerprint(other: str) -> None:
    assert shown(two(), LENGTHS) != other


def test_clips_of_no_known_generation_are_told_apart_by_their_address() -> None:
    assert shown(two("", ""), LENGTHS) != shown(two("", "", host="b"), LENGTHS)
    assert shown(two("", ""), LENGTHS) == shown(two("", ""), LENGTHS)
