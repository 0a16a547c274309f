"""With the real ffmpeg, on pictures as small as stamps."""

from pathlib import Path

import pytest

from core.errors import UnrecoverableError
from services.media.composer import Composer, Piece, Style
from services.media.description import Probed
from services.media.ffmpeg import Ffmpeg
from tests.support.compositions import make_video

pytestmark = pytest.mark.slow  # ffmpeg makes each clip and each film

FFMPEG = Ffmpeg()
CUTS = Style(96, 64)


async def nothing(done: int, total: int) -> None:
    """Nobody wants to know."""


async def compose(style: Style, *pieces: Piece) -> Probed:
    return await FFMPEG.probe(await Composer(FFMPEG).compose(pieces, style, nothing))


def is_normalised(folder: Path) -> bool:
    return any(folder.glob("*.part.mov"))


async def test_alike_clips_are_not_encoded_again(tmp_path: Path) -> None:
    files = [await make_video(tmp_path / f"{n}.mp4", "96x64", 24, 1) for n in range(2)]
    film = await compose(CUTS, *(Piece(file, 1) for file in files))
    assert film.duration_s == pytest.approx(2, abs=0.1)
    assert not is_normalised(tmp_path)


@pytest.mark.parametrize(
    ("size", "fps", "audio", "seconds"),
    [
        ("96x64", 24, True, 0.5),
        ("96x64", 24, False, 1),
        ("96x64", 30, True, 1),
        ("98x64", 24, True, 1),
    ],
)
async def test_one_unlike_clip_is_enough(
    tmp_path: Path, size: str, fps: int, audio: bool, seconds: float
) -> None:
    """Shorter in the film, silent, of another rate or size."""
    first = await make_video(tmp_path / "a.mp4", "96x64", 24, 1)
    second = await make_video(tmp_path / "b.mp4", size, fps, 1, audio=audio)
    film = await compose(CUTS, Piece(first, 1), Piece(first, 1), Piece(second, seconds))
    assert is_normalised(tmp_path)
    assert film.duration_s == pytest.approx(2 + seconds, abs=0.03)
    assert (film.width, film.height, film.fps, film.has_audio) == (96, 64, 24, True)


async def test_alike_clips_of_another_size_than_the_films(tmp_path: Path) -> None:
    file = await make_video(tmp_path / "a.mp4", "48x32", 24, 1)
    film = await compose(CUTS, Piece(file, 1))
    assert (film.width, film.height) == (96, 64)


@pytest.mark.parametrize(
    ("transition", "transition_s", "seconds"),
    [
        ("fade", 0.5, 2.5),
        ("dissolve", 0.5, 2.5),
        ("fade", 9.0, 2.5),  # never longer than half of the shortest clip, 1 s
        ("fade", 0.05, 3),
        ("fade", 0.0, 3),
        ("wipe", 0.5, 3),
        (None, 0.5, 3),
    ],
)
async def test_transitions(
    tmp_path: Path, transition: str | None, transition_s: float, seconds: float
) -> None:
    one = await make_video(tmp_path / "a.mp4", "96x64", 24, 1)
    two = await make_video(tmp_path / "b.mp4", "96x64", 24, 2, audio=False)
    film = await compose(Style(96, 64, transition, transition_s), Piece(one, 5), Piece(two, 5))
    assert film.duration_s == pytest.approx(seconds, abs=0.03)


async def test_many_transitions_leave_no_gap(tmp_path: Path) -> None:
    files = [await make_video(tmp_path / f"{n}.mp4", "96x64", 24, 1) for n in range(5)]
    film = await compose(Style(96, 64, "fade", 0.25), *(Piece(file, 1) for file in files))
    assert film.duration_s == pytest.approx(4, abs=0.03)


async def test_one_clip_has_nothing_to_pass_over_to(tmp_path: Path) -> None:
    file = await make_video(tmp_path / "a.mp4", "96x64", 24, 1)
    film = await compose(Style(96, 64, "fade", 0.5), Piece(file, 5))
    assert film.duration_s == pytest.approx(1, abs=0.1)


async def test_a_playlist_called_mp4_reads_no_other_file(tmp_path: Path) -> None:
    secret = await make_video(tmp_path / "secret.mp4", "96x64", 24, 1)
    (tmp_path / "a.mp4").write_text(f"ffconcat version 1.0\nfile '{secret}'\n", "utf-8")
    with pytest.raises(UnrecoverableError):
        await compose(CUTS, Piece(tmp_path / "a.mp4", 1))


async def test_what_has_no_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\x00\x00\x00\x18ftypisom" * 9)
    with pytest.raises(UnrecoverableError):
        await compose(CUTS, Piece(tmp_path / "a.mp4", 1))
