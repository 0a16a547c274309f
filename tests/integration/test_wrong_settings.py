"""A night of wrong settings costs no clip and no picture, and says so once each."""

from collections.abc import Mapping
from typing import Any

from sandbox.app import Project
from sandbox.processes import PATIENCE_S
from sandbox.providers.client import IMAGES
from sandbox.providers.models import Operation
from sandbox.providers.vendors.errors import ark_error
from tests.integration.test_deadlines import project_of, rows_of, step_3_of
from tests.integration.test_storyboards_refused import page_of
from tests.support.clips import TASK, clip, clips, lay_clips, sync
from tests.support.server import Server, response, running
from tests.support.site import Site

SLACK = "/slack"
DONE = Operation(after_s=0)
OPERATION = "models/veo-3.1-generate/operations/op{}"
PROJECTS, SHOTS = 4, 3
VENDORS = ("BYTEPLUS", "WAVESPEED", "GOOGLE_AI")


def wrong_settings(site: Site) -> dict[str, dict[str, str]]:
    """What somebody may have set, the model last: the clips do not depend on it."""
    nowhere = f"{site.vidfab.providers.api_url}/nowhere"
    ark = "BYTEPLUS_ARK_BASE_URL"
    return {
        "address": {ark: nowhere, "WAVESPEED_API_URL": nowhere, "GOOGLE_GEMINI_BASE_URL": nowhere},
        "nobody there": {ark: "http://127.0.0.1:9/api/v3"},
        "key": {f"{vendor}_API_KEY": "mistyped-0123456789" for vendor in VENDORS},
        "region": {},
        "version": {ark: site.vidfab.providers.byteplus_url.replace("/v3", "/v2")},
        "model": {"BYTEPLUS_IMAGE_MODEL": "seedream-1-0-retired"},
    }


async def lay_six_clips(site: Site) -> None:
    """Two of each vendor, all of them ready."""
    control = site.vidfab.providers.control
    rows: list[dict[str, Any]] = []
    for number in (1, 2):
        await control.register("tasks", f"t{number}", DONE)
        rows.append(clip(number))
    for number, kind, name in (
        (3, "predictions", "p3"),
        (4, "predictions", "p4"),
        (5, "operations", OPERATION.format(5)),
        (6, "operations", OPERATION.format(6)),
    ):
        await control.register(kind, name, DONE)
        rows.append(clip(number, seedance_task_id=None, video_request_id=name))
    await lay_clips(site.vidfab, *rows)


async def be_in_another_region(site: Site) -> None:
    """Tasks are known, and models open, by account and region."""
    control = site.vidfab.providers.control
    for number in (1, 2):
        unknown = ark_error(404, "ResourceNotFound", f"The task t{number} is not found.")
        await control.fail(TASK.format(f"t{number}"), 404, body=unknown.body)
    await control.fail(IMAGES, 404, body=ark_error(404, "ModelNotOpen").body)


async def promote_all(site: Site, jobs: list[str]) -> None:
    for job_id in jobs:
        job = await site.app.job(job_id)
        if job is not None and job.state == "delayed":
            await site.app.promote(job_id)


async def alerts_of_a_round(
    site: Site, number: int, jobs: list[str], wrong: Mapping[str, str]
) -> list[str]:
    """What operators read of a worker with these settings, from its start to its stop."""
    before = {job_id: len(site.app.events_of(job_id, "delayed")) for job_id in jobs}
    async with running(Server()) as hooks:
        worker = await site.worker(
            SLACK_WEBHOOK_URL=hooks.on(SLACK, response(b"ok")),
            BYTEPLUS_IMAGE_MAX_RETRIES="0",
            **{**site.vidfab.providers.environment, **wrong},
        )
        await site.end_of(await sync(site, f"sync-{number}"), 3 * PATIENCE_S)
        for job_id in jobs:
            await site.app.wait_for(job_id, "delayed", count=before[job_id] + 1)
        await worker.stop()
        return [one.json["text"] for one in hooks.to(SLACK)]


async def check_nothing_is_lost(site: Site, projects: list[Project]) -> None:
    shown = {row["status"] for row in (await clips(site.vidfab)).values()}
    assert "failed" not in shown
    for project in projects:
        assert {row["status"] for row in await rows_of(site, project)} <= {"generating", "success"}


async def test_a_night_of_wrong_settings(site: Site) -> None:
    control = site.vidfab.providers.control
    await lay_six_clips(site)
    projects = [await project_of(site, SHOTS) for _ in range(PROJECTS)]
    jobs = [await page_of(site, project).generate() for project in projects]
    for number, (what, wrong) in enumerate(wrong_settings(site).items()):
        if what == "region":
            await be_in_another_region(site)
        alerts = await alerts_of_a_round(site, number, jobs, wrong)
        await control.clear_faults()
        refused = [one for one in alerts if "Seedream refuses this account" in one]
        assert len(refused) == (0 if what == "nobody there" else 1), (what, alerts)
        await check_nothing_is_lost(site, projects)
        await promote_all(site, jobs)

    await site.worker(**site.vidfab.providers.environment)
    await site.end_of(await sync(site, "sync-right"))
    for job_id in jobs:
        end = await site.end_of(job_id, 3 * PATIENCE_S)
        assert end.name == "completed", end.args
    for project in projects:
        assert [row["status"] for row in await rows_of(site, project)] == ["success"] * SHOTS
        assert await step_3_of(site, project) == "completed"
    assert [row["status"] for row in (await clips(site.vidfab)).values()] == ["success"] * 6
    assert (await control.paid()).images == PROJECTS * SHOTS
