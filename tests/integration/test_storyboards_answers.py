"""What a purchase may cost whose picture or answer does not come: over attempts and crashes."""

from typing import Any

import pytest

from sandbox.app import Project, Shot, create_project, create_user, enqueue_storyboards
from sandbox.providers.client import IMAGES
from sandbox.providers.models import Fault, Match
from tests.support.site import Site


async def project_of(site: Site) -> Project:
    supabase = site.vidfab.supabase
    return await create_project(supabase, await create_user(supabase), [Shot(1, "SHOT-1")])


async def row_of(site: Site, project: Project) -> dict[str, Any]:
    [row] = await site.vidfab.supabase.rows("project_storyboards", project_id=f"eq.{project.id}")
    return row


async def asked(site: Site) -> int:
    return len(await request_ids(site))


async def request_ids(site: Site) -> list[str]:
    """By which the vendor's support finds the orders."""
    orders = await site.vidfab.providers.control.requests(IMAGES)
    return [order.headers["x-client-request-id"] for order in orders]


@pytest.mark.parametrize(
    "body",
    [{}, {"data": []}, {"data": [{"error": {"code": "InternalServiceError", "message": "later"}}]}],
)
async def test_an_answer_without_a_picture_is_final_for_the_shot(site: Site, body: Any) -> None:
    control = site.vidfab.providers.control
    await control.fail(IMAGES, 200, body=body, accepted=True)
    await site.worker()
    project = await project_of(site)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project, backoff_ms=50)
    job = await site.finished(job_id)
    assert (job.state, job.attempts_made) == ("failed", 1)
    assert (await row_of(site, project))["status"] == "failed"
    assert (await control.paid()).images == 1


async def test_a_purchase_whose_answer_is_lost_is_repeated_once_in_all_attempts(site: Site) -> None:
    control = site.vidfab.providers.control
    await control.break_off(IMAGES, accepted=True)
    await site.worker()
    project = await project_of(site)
    job_id = await enqueue_storyboards(
        site.app, site.vidfab.supabase, project, attempts=5, backoff_ms=50
    )
    job = await site.finished(job_id)
    assert job.state == "failed"
    first, second = (one.removesuffix("-1") for one in await request_ids(site))
    told = f"was bought 2 times without an answer (X-Client-Request-Id {first}, {second})"
    assert told in (job.failed_reason or "")
    assert (await row_of(site, project))["status"] == "failed"
    assert (await control.paid()).images == await asked(site) == 2


async def test_a_purchase_is_repeated_once_after_crashes(site: Site) -> None:
    """Each worker dies while its purchase is being made."""
    control = site.vidfab.providers.control
    await control.add(Fault(match=Match(path=IMAGES), delay_s=300))
    project = await project_of(site)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project, backoff_ms=50)
    for purchases in (1, 2):
        worker = await site.worker()
        await site.wait_for_purchase(purchases)
        await worker.kill()
    await site.worker()
    job = await site.finished(job_id)
    assert job.state == "failed"
    assert (await row_of(site, project))["status"] == "failed"
    ids = [one.removesuffix("-1") for one in await request_ids(site)]
    assert len(set(ids)) == 2
    assert ", ".join(ids) in (job.failed_reason or "")


async def test_a_lost_answer_costs_no_picture_when_the_repetition_succeeds(site: Site) -> None:
    control = site.vidfab.providers.control
    await control.break_off(IMAGES, accepted=True, times=1)
    await site.worker()
    project = await project_of(site)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project, backoff_ms=50)
    assert (await site.finished(job_id)).returnvalue["data"]["completed"] == 1
    assert (await row_of(site, project))["status"] == "success"
    assert (await control.paid()).images == 2


async def test_what_is_answered_with_trouble_does_not_count_as_lost(site: Site) -> None:
    control = site.vidfab.providers.control
    await control.fail(IMAGES, 503, times=3)
    await site.worker(BYTEPLUS_IMAGE_MAX_RETRIES="0")
    project = await project_of(site)
    job_id = await enqueue_storyboards(
        site.app, site.vidfab.supabase, project, attempts=4, backoff_ms=50
    )
    assert (await site.finished(job_id)).returnvalue["data"]["completed"] == 1
    assert (await control.paid()).images == 1
