"""A storyboard job waits for nothing that can be done beside its other work."""

from sandbox.app import Project, Shot, create_project, create_user, enqueue_storyboards
from sandbox.providers.models import Fault, Match
from tests.support.site import Site


async def project_of(site: Site, shots: int) -> Project:
    supabase = site.vidfab.supabase
    texts = [Shot(number, f"SHOT-{number}") for number in range(1, shots + 1)]
    return await create_project(supabase, await create_user(supabase), texts)


async def test_a_picture_is_stored_while_the_next_one_is_being_made(site: Site) -> None:
    control = site.vidfab.providers.control
    match = Match(path="/ark/*", body_contains="SHOT-2")
    await control.add(Fault(match=match, delay_s=120))
    worker = await site.worker(STORYBOARD_CONCURRENCY="1", SHUTDOWN_GRACE_S="0")
    project = await project_of(site, 2)
    job_id = await enqueue_storyboards(site.app, site.vidfab.supabase, project)
    [first, _] = await site.vidfab.supabase.rows(
        "project_storyboards", project_id=f"eq.{project.id}", order="shot_number"
    )
    download = f"storyboard_download_{project.id}_1_{first['id']}"
    assert (await site.end_of(download)).name == "completed"

    job = await site.app.job(job_id)
    assert job is not None
    assert job.state == "active"
    [added] = [event for event in site.app.events_of(download, "added")]
    assert added.args["name"] == "storyboard_download"
    assert await worker.stop() == 0
