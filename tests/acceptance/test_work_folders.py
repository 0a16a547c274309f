"""What a worker leaves in the temporary folder, and who tidies up after one that was killed."""

from pathlib import Path

import pytest

from tests.support.recordings import USER
from tests.support.site import Site


def _video_without_row(site: Site, number: int) -> dict[str, str]:
    url = f"{site.vidfab.providers.media_url}/img/{number}.jpg"
    return {"userId": USER, "videoId": f"temp-{number}", "originalUrl": url}


async def test_the_next_worker_removes_what_a_killed_one_left(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setenv("TMPDIR", str(temp))  # the workers inherit it
    await site.vidfab.providers.control.delay("/img/*", 30)
    killed, alive = [await site.worker(QUEUE_CONCURRENCY="1") for _ in range(2)]
    for number in range(2):
        await site.app.add("download_video", _video_without_row(site, number), {"priority": 3})
    await site.wait_for_requests("/img/*", 2)
    folders = set(temp.iterdir())
    [of_killed] = [one for one in folders if one.name.startswith(f"vidfab-{killed.pid}-")]
    [of_alive] = folders - {of_killed}
    assert list(of_killed.iterdir())  # the running job's own

    await killed.kill()
    last = await site.worker()
    await site.wait_for_line(last, f"Removed the work folder of a worker that is gone: {of_killed}")
    assert not of_killed.exists()
    assert list(of_alive.iterdir())
    await alive.stop()
    assert not of_alive.exists()
