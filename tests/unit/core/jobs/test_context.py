"""What a handler's reports become."""

from core.jobs.follow_ups import storyboard_download
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
