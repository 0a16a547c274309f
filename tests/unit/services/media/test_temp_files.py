"""Which files may be deleted: those below our own entries of the temporary folder."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from services.media import temp_files


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    (folder / "vidfab-a").mkdir(parents=True)
    (folder / "other").mkdir()
    (tmp_path / "vidfab-elsewhere").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def a_file(path: Path) -> Path:
    path.write_text("x")
    return path


@pytest.mark.parametrize("as_url", [str, Path.as_uri, lambda path: f"file://localhost{path}"])
@pytest.mark.parametrize("name", ["vidfab-a/clip 1.mp4", "vidfab-clip.mp4"])
def test_a_file_of_ours_is_deleted(temp: Path, name: str, as_url: Callable[[Path], str]) -> None:
    file = a_file(temp / name)
    assert temp_files.remove(as_url(file))
    assert not file.exists()
    assert not temp_files.remove(as_url(file))


@pytest.mark.parametrize(
    "name",
    [
        "other/x",
        "x",
        "../x",
        "../vidfab-elsewhere/x",
        "vidfab-a/../other/x",
        "vidfab-a/../../x",
        "other/vidfab-x",
    ],
)
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_other_files_are_left_alone(temp: Path, name: str, scheme: str) -> None:
    file = a_file(temp / name)
    assert not temp_files.remove(f"{scheme}{temp}/{name}")
    assert not temp_files.remove(f"{scheme}{temp}/{name.replace('..', '%2e%2e')}")
    assert file.exists()


def test_a_link_counts_as_what_it_leads_to(temp: Path) -> None:
    outside = a_file(temp / "other" / "x")
    link, folder = temp / "vidfab-a" / "link", temp / "vidfab-b"
    link.symlink_to(outside)
    folder.symlink_to(temp / "other")
    assert not temp_files.remove(str(link))
    assert not temp_files.remove(str(folder / "x"))
    assert outside.exists()


def test_no_file_at_all(temp: Path) -> None:
    ring = temp / "vidfab-a" / "ring"
    ring.symlink_to(ring)
    a_file(temp / "vidfab-a" / "x")
    for url in (
        str(temp / "vidfab-a"),
        f"file://host{temp}/vidfab-a/x",
        "vidfab-a/x",
        "http://[",
        "file:///a%00b",
        "/a\0b",
        "/" + "a" * 5000,
        "",
        str(ring),
        f"https://x.example{temp}/vidfab-a/x",
    ):
        assert not temp_files.remove(url)
    assert (temp / "vidfab-a" / "x").exists()
