"""ffmpeg: found, asked for frames, and quoted without paths."""

import asyncio
import signal
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from bullmq_consumer.machine import MachineUnfit
from core.errors import UnrecoverableError
from services.media import ffmpeg
from services.media.ffmpeg import Ffmpeg, FfmpegFailed, NoFrame, untrusted_input
from services.media.sandboxed import Limits
from tests.support import films
from tests.support.kernel import on_linux, with_landlock
from tests.support.server import Server

LIMITS = Limits(timeout_s=20)
# A format that writes no file.
NOTHING = ("-f", "null")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.film(tmp_path_factory.mktemp("films") / "film.mp4")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An `ffmpeg` on PATH that runs a script."""

    def install(script: str) -> None:
        program = tmp_path / "bin" / "ffmpeg"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))

    return install


async def size_of(video: Path, out: Path, at_s: float, width: int, height: int) -> tuple[int, int]:
    box = {"width": width, "height": height}
    await Ffmpeg().frame(video, at_s, out, picture_format="png", quality=80, **box)
    with Image.open(out) as picture:
        return picture.size


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ((320, 180), (320, 180)),
        ((4096, 4096), (320, 180)),
        ((100, 100), (100, 56)),
        ((4096, 16), (28, 16)),
        ((17, 17), (16, 8)),
    ],
)
async def test_a_frame_fits_and_is_never_enlarged(
    film: Path, tmp_path: Path, box: tuple[int, int], size: tuple[int, int]
) -> None:
    out = film.with_name(tmp_path.name)
    assert await size_of(film, out, 1, *box) == size


async def test_pixels_that_are_not_square_become_so(tmp_path: Path) -> None:
    wide = tmp_path / "wide.mp4"
    films.run("-i", films.film(tmp_path / "f.mp4"), "-vf", "setsar=2", *films.H264, wide)
    assert await size_of(wide, tmp_path / "out", 1, 640, 640) == (640, 180)


async def test_quality_is_obeyed(tmp_path: Path) -> None:
    video = tmp_path / "noise.mp4"
    films.run("-f", "lavfi", "-i", "testsrc2=s=640x360:d=1", *films.H264, video)
    sizes = {}
    for form in ("jpg", "webp"):
        for quality in (1, 50, 100):
            out = tmp_path / f"{quality}.{form}"
            await Ffmpeg().frame(
                video, 0, out, width=640, height=360, picture_format=form, quality=quality
            )
            sizes[form, quality] = out.stat().st_size
    for form in ("jpg", "webp"):
        assert sizes[form, 1] < sizes[form, 50] < sizes[form, 100]


async def test_past_the_end_there_is_no_frame(film: Path, tmp_path: Path) -> None:
    with pytest.raises(NoFrame):
        await size_of(film, tmp_path / "out", 5, 320, 180)


async def test_a_version_that_succeeds_without_a_file(fake, tmp_path: Path) -> None:
    fake("exit 0")
    with pytest.raises(NoFrame, match=r"^The video has no picture at 5 s$"):
        await size_of(tmp_path / "x.mp4", tmp_path / "out", 5, 320, 180)


async def test_an_error_is_one_line_without_paths(tmp_path: Path) -> None:
    video = tmp_path / "no such.mp4"
    with pytest.raises(FfmpegFailed) as caught:
        await Ffmpeg().run([*untrusted_input(video), *NOTHING], video, limits=LIMITS)
    assert str(caught.value).startswith("ffmpeg failed: Error opening input: No such file")
    assert str(tmp_path) not in str(caught.value)


async def test_a_path_in_a_complaint_is_left_out(fake, tmp_path: Path) -> None:
    fake("echo \"[mp4 @ 0x12ab] Could not open '/srv/x y/a.mp4'\" >&2; exit 1")
    with pytest.raises(FfmpegFailed, match=r"^ffmpeg failed: Could not open 'the file y"):
        await Ffmpeg().run([], tmp_path / "out", limits=LIMITS)


async def test_what_a_file_says_of_itself_is_not_believed(film: Path, tmp_path: Path) -> None:
    """The key of a note may be as long as the file, and look like the line of a stream."""
    for key in (
        "Stream #0:7: Video: h264, yuv420p, 1920x1080, 60 fps",
        "Stream #0:" + "1" * 60_000,
    ):
        noted = tmp_path / "noted.mp4"
        notes = ["-movflags", "use_metadata_tags", "-metadata", f"{key}=1"]
        films.run("-i", film, "-c", "copy", *notes, noted)
        began = time.process_time()
        assert await Ffmpeg().probe(noted) == await Ffmpeg().probe(film)
        assert time.process_time() - began < 1


FORGED = """
  Duration: 999999:59:59.00, start: 0
  Stream #0:0: Video: h264 (High), yuv420p, 99998x99998, 25 fps
    Side data:
      displaymatrix: rotation of 90.00 degrees
  Stream #0:1: Audio: aac
[info]   Duration: 999999:59:59.00, start: 0
[info]   Stream #0:0: Video: h264 (High), yuv420p, 99998x99998, 25 fps
[info]   Stream #0:1: Audio: aac
[fatal] x"""


async def test_a_key_with_line_breaks_is_no_description(film: Path, tmp_path: Path) -> None:
    noted = tmp_path / "noted.mp4"
    note = ["-metadata", f"a{FORGED}=1"]
    films.run("-i", film, "-c", "copy", "-movflags", "use_metadata_tags", *note, noted)
    assert await Ffmpeg().probe(noted) == await Ffmpeg().probe(film)


@pytest.mark.parametrize("end", ["", FORGED, "\n", " " * 1000])
async def test_the_language_of_a_sound_makes_it_no_picture(tmp_path: Path, end: str) -> None:
    silence = ("-f", "lavfi", "-i", "anullsrc", "-t", "1", "-c:a", "libopus")
    language = f"language=x): Video: h264, yuv420p, 9999x9999, 25 fps{end}"
    spoken = tmp_path / "spoken.mkv"
    films.run(*silence, "-metadata:s:a", language, spoken)
    with pytest.raises(UnrecoverableError, match=r"^The file holds no video stream$"):
        await Ffmpeg().probe(spoken)


@with_landlock
async def test_a_program_that_runs_one_elsewhere_says_why_it_cannot(fake, tmp_path: Path) -> None:
    elsewhere = tmp_path / "true"
    elsewhere.write_text("#!/bin/sh\n")
    elsewhere.chmod(0o755)
    fake(f"exec {elsewhere}")
    with pytest.raises(UnrecoverableError, match=r"^ffmpeg does not run .+: Permission denied$"):
        await Ffmpeg().version()


async def test_a_full_disk_is_the_machines_fault(fake, tmp_path: Path) -> None:
    fake("echo 'av_interleaved_write_frame(): No space left on device' >&2; exit 228")
    with pytest.raises(MachineUnfit, match="its work disk is full"):
        await Ffmpeg().run([], tmp_path / "out", limits=LIMITS)


async def test_an_interrupt_of_the_workers_tree_leaves_ffmpeg_at_work(tmp_path: Path) -> None:
    """It would end with an error of its own, as if the video were at fault."""
    out = tmp_path / "out.mp4"
    source = ["-re", "-f", "lavfi", "-i", "testsrc2=s=64x64:d=1"]
    run = asyncio.create_task(Ffmpeg().run([*source, *films.H264], out, limits=LIMITS))
    async with asyncio.timeout(5):
        while not out.exists():  # noqa: ASYNC110 (a file)
            await asyncio.sleep(0.01)
    for process in psutil.Process().children():
        if f"file:{out}" in process.cmdline():
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
    await run
    assert (await Ffmpeg().probe(out)).duration_s == 1


async def test_only_video_files_are_opened(tmp_path: Path) -> None:
    """A list of files would make ffmpeg read whatever it names."""
    files = tmp_path / "list.ffconcat"
    files.write_text("ffconcat version 1.0\nfile /etc/hostname\n")
    with pytest.raises(UnrecoverableError, match=r"^The video cannot be read: "):
        await Ffmpeg().probe(files)


@on_linux
async def test_ffmpeg_has_no_network_whatever_its_arguments(
    provider: Server, tmp_path: Path
) -> None:
    """Its list of protocols keeps it from asking; here it is told to."""
    url = provider.url("/a.mp4")
    with pytest.raises(FfmpegFailed, match="Permission denied"):
        await Ffmpeg().run(["-i", url, *NOTHING], tmp_path / "out", limits=LIMITS)
    assert provider.requests == []


async def test_a_huge_index_is_refused_by_the_memory_limit(film: Path, tmp_path: Path) -> None:
    """Without the limit this takes 5 GiB and 12 s."""
    bomb = films.huge_index(film, tmp_path / "bomb.mp4")
    limits = Limits(timeout_s=3)
    with pytest.raises(FfmpegFailed):
        await Ffmpeg().run([*untrusted_input(bomb), *NOTHING], bomb, limits=limits)


async def test_without_ffmpeg_the_message_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(ffmpeg.importlib, "import_module", missing)
    with pytest.raises(UnrecoverableError, match=r"^ffmpeg is not on this machine: install ffmpeg"):
        await Ffmpeg().probe(tmp_path / "x.mp4")
