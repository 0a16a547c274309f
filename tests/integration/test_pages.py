"""What the pages tell to do, done."""

import shutil
from pathlib import Path

import pytest

from sandbox import node
from sandbox.app import Shot, create_project, create_user
from sandbox.worker_process import start_worker
from tests.support.checkout import Checkout
from tests.support.pages import page
from tests.support.site import Site

PROJECT, USER = "0f8fad5b-d9cb-469f-a165-70867728950e", "7c9e6679-7425-40de-944b-e07fc1f90ae7"
EXAMPLE = page("adding-a-job")


@pytest.fixture
def checkout(site: Site, tmp_path: Path) -> Checkout:
    """The project as a reader has it, whose worker is on the site's queue."""
    folder = tmp_path / "vidfab-worker"
    folder.mkdir()
    return Checkout(folder, site.vidfab.settings(site.queue))


@pytest.fixture
def example(checkout: Checkout) -> Checkout:
    """The same with the files of the page about a new job."""
    handler, test = (block.text for block in EXAMPLE.blocks if block.language == "python")
    (checkout.folder / "handlers/count_shots.py").write_text(handler, "utf-8")
    (checkout.folder / "tests/unit/handlers/test_count_shots.py").write_text(test, "utf-8")
    [script] = (block.text for block in EXAMPLE.blocks if block.language == "js")
    (checkout.folder / "add.mjs").write_text(script, "utf-8")
    return checkout


async def test_the_example_job_is_run_by_the_real_worker(site: Site, example: Checkout) -> None:
    """Added by hand and by the real Node; for a stranger it fails, and its hook is run."""
    supabase = site.vidfab.supabase
    await create_user(supabase, user_id=USER)
    shots = [Shot(1, "A door"), Shot(2, "A cat")]
    await create_project(supabase, USER, shots, project_id=PROJECT)
    states = [(1, "completed"), (2, "pending")]
    rows = [
        {"project_id": PROJECT, "shot_number": n, "is_current": True, "storage_status": state}
        for n, state in states
    ]
    await supabase.insert("project_storyboards", rows)
    settings = site.vidfab.settings(site.queue)
    worker = await start_worker(settings, site.folder, root=example.folder)
    try:
        await example.play(EXAMPLE)
        counted = {"total": 2, "stored": 1}
        assert (await site.finished("count_1")).returnvalue["data"] == counted
        assert "{ total: 2, stored: 1 }" in await _added_by_node(example, site)
        data = {"projectId": PROJECT, "userId": await create_user(supabase)}
        await site.app.add("count_shots", data, {"jobId": "stranger", "priority": 3})
        assert "does not belong" in str((await site.finished("stranger")).failed_reason)
        await site.wait_for_line(worker, f"The shots of {PROJECT} were not counted: Project")
    finally:
        await worker.stop()


async def _added_by_node(example: Checkout, site: Site) -> str:
    runtime = await node.install()
    (example.folder / "node_modules").symlink_to(runtime.folder / "node_modules")
    queue = {"BULLMQ_REDIS_URL": site.redis.url, "QUEUE_PREFIX": site.queue}
    return await example.run(f"{runtime.executable} add.mjs", **queue)


async def test_the_example_is_in_order_and_its_test_passes(example: Checkout) -> None:
    files = "handlers/count_shots.py tests/unit/handlers/test_count_shots.py"
    ruff = shutil.which("ruff", path=str(example.folder / ".venv/bin"))
    await example.run(f"{ruff} check {files} && {ruff} format --check {files}")
    output = await example.run(f".venv/bin/python -m pytest -q {files.split()[1]}")
    assert "1 passed" in output


async def test_the_set_up_guide_ends_with_the_first_jobs(site: Site, checkout: Checkout) -> None:
    """Its commands in their order, with the outputs that it shows."""
    settings = site.vidfab.settings(site.queue)
    worker = await start_worker(settings, site.folder, root=checkout.folder)
    try:
        await checkout.play(page("setup"))
    finally:
        await worker.stop()
