"""What a handler's reports become."""

from core.errors import ContentRejected
from core.jobs.follow_ups import storyboard_download
from core.people import Cause, Thing, Why
from tests.support.handle import RecordingHandle, context

USER = "00000000-0000-4000-8000-000000000001"
PROJECT = "11111111-1111-4111-8111-111111111111"
ROW = "33333333-3333-4333-8333-000001000001"


async def test_percent_never_falls_and_repeats_are_not_sent() -> None:
    handle = RecordingHandle()
    ctx = context(handle)
    await ctx.progress(0, "Starting job...")
    await ctx.progress(40, "half")
    await ctx.progress(40, "half")
    await ctx.progress(10, "late", processed=1)
    assert [(sent["percent"], sent["message"]) for sent in handle.progress] == [
        (0, "Starting job..."),
        (40, "half"),
        (40, "late"),
    ]
    assert handle.progress[-1]["processed"] == 1


async def test_checkpoint_fields_accumulate() -> None:
    handle = RecordingHandle()
    ctx = context(handle, checkpoint_fields={"render": "r1"})
    await ctx.checkpoint(bought={"1": "url"})
    assert handle.checkpoints == [{"render": "r1", "bought": {"1": "url"}}]


async def test_why_a_job_fails_is_kept_for_the_delivery_that_has_its_reason_alone() -> None:
    handle = RecordingHandle()
    first = context(handle)
    first.failure.error = ContentRejected("lab: too dark")
    assert first.why("anything") == Why(Cause.REFUSED)
    await first.keep_failure("lab: too dark")

    later = context(handle, checkpoint_fields=handle.checkpoints[-1])
    await later.keep_failure("lab: too dark")
    assert len(handle.checkpoints) == 1, "nothing new is known"
    assert later.for_people(Thing.PICTURE, "lab: too dark").startswith("This picture was refused")
    assert later.why("job stalled more than allowable limit") == Why()


def test_storyboard_download_is_the_job_the_app_knows() -> None:
    job = storyboard_download(
        user_id=USER,
        project_id=PROJECT,
        shot_number=2,
        storyboard_id=ROW,
        external_url="https://x.example/a.jpg",
        priority=4,
        remove_on_complete=True,
    )
    assert job.job_id == f"storyboard_download_{PROJECT}_2_{ROW}"
    assert {key: job.data[key] for key in ("jobId", "userId", "videoId", "projectId")} == {
        "jobId": job.job_id,
        "userId": USER,
        "videoId": PROJECT,
        "projectId": PROJECT,
    }
    assert (job.priority, job.attempts, job.remove_on_complete, job.remove_on_fail) == (
        4,
        3,
        True,
        20,
    )
