from io import BytesIO

import pytest

from core.errors import RetryableError, UnusableContent
from services.net.content import Kind, check_complete, content_type_of, sniff


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (b"\xff\xd8\xff\xdb", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x20ftypisom", "video/mp4"),
        (b"\x00\x00\x00\x14ftypqt  ", "video/quicktime"),
        (b"\x1a\x45\xdf\xa3\x9f", "video/webm"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", None),
        (b"\x00\x00\x00\x1cftypavif", None),
        (b"\x00\x00\x00\x18ftypheic", None),
        (b"GIF89a", None),
        (b"<!doctype html>", None),
        (b"\xff\xd8", None),
        (b"", None),
    ],
)
def test_the_type_shows_in_the_first_bytes(head: bytes, content_type: str | None) -> None:
    assert sniff(head) == content_type


def test_the_kind_asked_for() -> None:
    video = b"\x00\x00\x00\x20ftypisom"
    assert content_type_of(video, Kind.VIDEO) == "video/mp4"
    with pytest.raises(UnusableContent, match="not an image"):
        content_type_of(video, Kind.IMAGE)


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png", "image/webp"])
@pytest.mark.parametrize("trailer", [b"", b"\x00" * 500, b"camera notes"])
def test_a_whole_picture(pictures: dict[str, bytes], content_type: str, trailer: bytes) -> None:
    check_complete(BytesIO(pictures[content_type] + trailer), content_type)


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png", "image/webp"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_picture_cut_off(pictures: dict[str, bytes], content_type: str, share: float) -> None:
    picture = pictures[content_type]
    with pytest.raises(RetryableError):
        check_complete(BytesIO(picture[: int(len(picture) * share)]), content_type)


def test_the_end_of_an_embedded_preview_is_not_the_end() -> None:
    preview = b"\xff\xd8\xff\xda scan \xff\xd9"
    whole = b"\xff\xd8\xff\xe1" + preview + b"\xff\xda scan \xff\xd9"
    check_complete(BytesIO(whole), "image/jpeg")
    with pytest.raises(RetryableError):
        check_complete(BytesIO(whole[:-2]), "image/jpeg")
