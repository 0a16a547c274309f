"""Clips that must not be put end to end as they are: each plays in the film as it plays alone."""

from pathlib import Path

import pytest

from services.media.composer import Composer, Piece, Style
from services.media.ffmpeg import Ffmpeg
from tests.support.odd_clips import (
    AAC,
    BLUE,
    LIME,
    RED,
    WHITE,
    X264,
    beeps,
    colour,
    coloured,
    corners,
    delayed,
    edited,
    flash_and_beep,
    flashes,
    lasting,
    quarters,
    trimmed,
    turned,
    written_live,
)

pytestmark = pytest.mark.slow  # ffmpeg makes each clip and each film

FFMPEG = Ffmpeg()
CUTS = Style(96, 64)
WEBM = ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", "-f", "webm", "-live", "1")
# What a person notices between lips and voice begins at some 60 ms.
TOGETHER_S = 0.06


async def nothing(done: int, total: int) -> None:
    """Nobody wants to know."""


async def compose(style: Style, *pieces: Piece) -> Path:
    return await Composer(FFMPEG).compose(pieces, style, nothing)


async def seconds(film: Path) -> float:
    return (await FFMPEG.probe(film)).duration_s


def is_normalised(folder: Path) -> bool:
    return any(folder.glob("*.part.mov"))


def copies(clip: Path, lasting: float, count: int = 2) -> list[Piece]:
    """The same clip again and again, each a file of its own."""
    files = [clip.with_stem(f"piece{n}") for n in range(count)]
    for file in files:
        file.write_bytes(clip.read_bytes())
    return [Piece(file, lasting) for file in files]


@pytest.mark.parametrize(
    ("how", "style", "shown"),
    [
        (("-display_rotation", "180"), CUTS, [WHITE, BLUE, LIME, RED]),
        (("-display_rotation", "90"), Style(64, 96), [LIME, WHITE, RED, BLUE]),
        (("-display_rotation", "270"), Style(64, 96), [BLUE, RED, WHITE, LIME]),
        (("-display_hflip",), CUTS, [LIME, RED, WHITE, BLUE]),
        (("-display_vflip",), CUTS, [BLUE, WHITE, RED, LIME]),
    ],
)
async def test_turned_and_mirrored_clips_are_shown_as_they_are_alone(
    tmp_path: Path, how: tuple[str, ...], style: Style, shown: list[str]
) -> None:
    clip = turned(quarters(tmp_path / "up.mp4"), tmp_path / "turned.mp4", *how)
    assert corners(clip, 0.5) == shown
    film = await compose(style, *copies(clip, 1))
    assert [corners(film, at) for at in (0.5, 1.5)] == [shown, shown]
    probed = await FFMPEG.probe(film)
    assert (probed.width, probed.height) == (style.width, style.height)
    assert is_normalised(tmp_path)


async def test_a_turned_clip_behind_an_upright_one(tmp_path: Path) -> None:
    up = quarters(tmp_path / "up.mp4")
    over = turned(up, tmp_path / "over.mp4", "-display_rotation", "180")
    film = await compose(CUTS, Piece(up, 1), Piece(over, 1))
    assert corners(film, 0.5) == [RED, LIME, BLUE, WHITE]
    assert corners(film, 1.5) == [WHITE, BLUE, LIME, RED]


async def test_a_cut_off_beginning_stays_away(tmp_path: Path) -> None:
    full = coloured(tmp_path / "full.mp4", (RED, 1.5), (LIME, 2.5))
    clip = trimmed(full, tmp_path / "trim.mp4", 1.5)
    film = await compose(CUTS, *copies(clip, 3))
    assert {colour(film, at) for at in (0.1, 0.5, 1, 2, 2.4, 2.6, 3, 3.5, 4, 4.5)} == {LIME}
    assert await seconds(film) == pytest.approx(5, abs=0.05)


async def test_a_cut_off_end_stays_away(tmp_path: Path) -> None:
    """Both tracks end at 1 s by their edit lists; the pictures and sound behind are kept."""
    full = coloured(tmp_path / "full.mp4", (LIME, 1), (RED, 1))
    half = edited(full, tmp_path / "half.mp4", (1, 0))
    clip = edited(half, tmp_path / "clip.mp4", (1, 0), track=1)
    film = await compose(CUTS, *copies(clip, 2))
    assert {colour(film, at) for at in (0.1, 0.9, 1.1, 1.9)} == {LIME}
    assert await seconds(film) == pytest.approx(2, abs=0.05)


async def test_a_cut_out_middle_stays_away(tmp_path: Path) -> None:
    full = coloured(tmp_path / "full.mp4", (LIME, 1), (RED, 1), (BLUE, 1))
    half = edited(full, tmp_path / "half.mp4", (1, 0), (1, 2))
    clip = edited(half, tmp_path / "clip.mp4", (1, 0), (1, 2), track=1)
    film = await compose(CUTS, *copies(clip, 3))
    assert [colour(film, at) for at in (0.5, 1.6, 2.6, 3.7)] == [LIME, BLUE] * 2
    # ffmpeg itself leaves up to three pictures' time between two edits.
    assert await seconds(film) == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize("late", ["v", "a"])
@pytest.mark.parametrize("style", [CUTS, Style(48, 32), Style(96, 64, "fade", 0.25)])
async def test_sound_and_pictures_stay_together_when_one_begins_late(
    tmp_path: Path, style: Style, late: str
) -> None:
    """Alone, flash and beep come at 1.5 s, however the clip came to be."""
    moments = (1.0, 1.5) if late == "v" else (1.5, 1.0)
    clip = delayed(flash_and_beep(tmp_path / "a.mp4", *moments), tmp_path / "late.mp4", late)
    assert flashes(clip)[0] == pytest.approx(1.5, abs=TOGETHER_S)
    film = await compose(style, *copies(clip, 4))
    again = 1.5 + 3.5 - (0.25 if style.transition else 0)
    assert flashes(film) == pytest.approx([1.5, again], abs=TOGETHER_S)
    assert beeps(film) == pytest.approx([1.5, again], abs=TOGETHER_S)
    assert is_normalised(tmp_path)


@pytest.mark.parametrize(("of_pictures", "of_sound", "again"), [(2, 1, [2]), (1, 2, [])])
async def test_a_clip_plays_until_the_later_end(
    tmp_path: Path, of_pictures: float, of_sound: float, again: list[float]
) -> None:
    """Copied, the sound of the second would come early in players that count its samples."""
    clip = lasting(tmp_path / "clip.mp4", of_pictures, of_sound)
    film = await compose(CUTS, *copies(clip, 3))
    assert await seconds(film) == pytest.approx(4, abs=0.05)
    assert beeps(film) == pytest.approx(again, abs=TOGETHER_S)
    assert is_normalised(tmp_path)


@pytest.mark.parametrize(
    ("name", "codecs"),
    [
        ("live.webm", WEBM),
        ("live.mkv", (*X264, *AAC, "-f", "matroska", "-live", "1")),
    ],
)
async def test_a_clip_without_a_written_length_lasts_as_long_as_it_plays(
    tmp_path: Path, name: str, codecs: tuple[str, ...]
) -> None:
    clip = written_live(tmp_path / name, codecs)
    film = await compose(CUTS, *copies(clip, 5))
    assert await seconds(film) == pytest.approx(6, abs=0.1)


async def test_a_clip_without_a_written_length_is_cut_to_its_shot(tmp_path: Path) -> None:
    film = await compose(CUTS, *copies(written_live(tmp_path / "live.webm", WEBM), 2))
    assert await seconds(film) == pytest.approx(4, abs=0.05)


@pytest.mark.parametrize("run_up", [1024, 2112])
async def test_plain_clips_are_copied_edit_list_or_not(tmp_path: Path, run_up: int) -> None:
    """That of B-frames and of AAC's run-up, by ffmpeg and by Apple's encoders, cuts nothing."""
    clip = coloured(tmp_path / "plain.mp4", (LIME, 1), (RED, 1))
    later = edited(clip, tmp_path / "later.mp4", (1.95, (run_up - 1024) / 48000), track=1)
    film = await compose(CUTS, *copies(later, 2))
    assert not is_normalised(tmp_path)
    assert [colour(film, at) for at in (0.5, 1.5, 2.5, 3.5)] == [LIME, RED] * 2
    assert await seconds(film) == pytest.approx(4, abs=0.1)
